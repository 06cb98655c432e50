//! A lab's authorities and everybody's certificates. All keys are new for every lab, and go with
//! it.

use crate::record::Record;
use anyhow::Context;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};
use std::fs;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The group that may do everything.
const MASTERS: &str = "system:masters";

/// Who a certificate is for.
struct Subject<'a> {
    /// The file's name.
    file: &'a str,
    /// The user, for those who log in with it.
    user: &'a str,
    group: Option<&'a str>,
    /// Names and addresses, for those who serve with it.
    names: Vec<String>,
}

/// One who logs in with it.
fn user<'a>(file: &'a str, user: &'a str, group: Option<&'a str>) -> Subject<'a> {
    Subject {
        file,
        user,
        group,
        names: Vec::new(),
    }
}

/// One who serves with it.
fn server(file: &str, names: Vec<String>) -> Subject<'_> {
    Subject {
        file,
        user: file,
        group: None,
        names,
    }
}

/// Where a lab's keys and certificates are: `NAME.crt` and `NAME.key`.
#[derive(Clone, Debug)]
pub(crate) struct Certificates(PathBuf);

impl Certificates {
    /// Those of a lab.
    pub(crate) fn of(record: &Record) -> Self {
        Self(record.folder().join("pki"))
    }

    pub(crate) fn certificate(&self, name: &str) -> PathBuf {
        self.0.join(format!("{name}.crt"))
    }

    pub(crate) fn key(&self, name: &str) -> PathBuf {
        self.0.join(format!("{name}.key"))
    }

    /// What verifies service-account tokens.
    pub(crate) fn verifier(&self) -> PathBuf {
        self.0.join("service-accounts.pub")
    }

    /// Makes all of them.
    pub(crate) fn make(&self, record: &Record) -> anyhow::Result<()> {
        fs::create_dir_all(&self.0)?;
        let authority = self.authority("ca", "rauta-lab")?;
        let etcd = self.authority("etcd-ca", "rauta-lab-etcd")?;
        let front_proxy = self.authority("front-proxy-ca", "rauta-lab-front-proxy")?;
        self.service_accounts()?;

        let loopback = || vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        self.issue(
            &authority,
            &server("kube-apiserver", api_server_names(record)),
        )?;
        for part in ["kube-controller-manager", "kube-scheduler"] {
            self.issue(&authority, &server(part, loopback()))?;
            let file = format!("{part}-client");
            self.issue(&authority, &user(&file, &format!("system:{part}"), None))?;
        }
        self.issue(
            &authority,
            &user("admin", "kubernetes-admin", Some(MASTERS)),
        )?;
        let to_kubelets = user("kubelet-client", "kube-apiserver-kubelet-client", None);
        self.issue(&authority, &to_kubelets)?;
        self.issue(&etcd, &server("etcd", loopback()))?;
        self.issue(&etcd, &user("etcd-client", "kube-apiserver", None))?;
        self.issue(
            &front_proxy,
            &user("front-proxy", "front-proxy-client", None),
        )?;
        for node in record.nodes() {
            let login = format!("system:node:{}", node.name);
            let client = format!("{}-client", node.name);
            self.issue(&authority, &user(&client, &login, Some("system:nodes")))?;
            let addresses = node.addresses.iter().map(|at| at.addr().to_string());
            let names = std::iter::once(node.name.clone())
                .chain(addresses)
                .collect();
            self.issue(&authority, &server(&node.name, names))?;
        }
        Ok(())
    }

    fn authority(
        &self,
        file: &str,
        name: &str,
    ) -> anyhow::Result<CertifiedIssuer<'static, KeyPair>> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name.push(DnType::CommonName, name);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        write(&self.certificate(file), &issuer.pem())?;
        write(&self.key(file), &issuer.key().serialize_pem())?;
        Ok(issuer)
    }

    /// The key that signs service-account tokens, and what verifies them.
    fn service_accounts(&self) -> anyhow::Result<()> {
        let key = KeyPair::generate()?;
        write(&self.key("service-accounts"), &key.serialize_pem())?;
        write(&self.verifier(), &key.public_key_pem())
    }

    fn issue(
        &self,
        authority: &CertifiedIssuer<'static, KeyPair>,
        subject: &Subject<'_>,
    ) -> anyhow::Result<()> {
        let mut params = CertificateParams::new(subject.names.clone())?;
        params
            .distinguished_name
            .push(DnType::CommonName, subject.user);
        if let Some(group) = subject.group {
            params
                .distinguished_name
                .push(DnType::OrganizationName, group);
        }
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        if !subject.names.is_empty() {
            // etcd calls itself with the certificate that it serves with.
            params
                .extended_key_usages
                .push(ExtendedKeyUsagePurpose::ServerAuth);
        }
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate()?;
        let made = params
            .signed_by(&key, authority)
            .with_context(|| format!("the certificate of {}", subject.file))?;
        write(&self.certificate(subject.file), &made.pem())?;
        write(&self.key(subject.file), &key.serialize_pem())
    }
}

/// Everything that a client may call the API server.
fn api_server_names(record: &Record) -> Vec<String> {
    let addresses = record.addresses;
    let bridge = addresses.bridge().into_iter().map(|at| at.addr());
    let inner = ["kubernetes", "kubernetes.default", "kubernetes.default.svc"];
    let inner = inner.map(str::to_owned).into_iter();
    let whole = "kubernetes.default.svc.cluster.local".to_owned();
    bridge
        .chain(addresses.first_services())
        .map(|address| address.to_string())
        .chain(inner)
        .chain([whole])
        .collect()
}

fn write(file: &Path, text: &str) -> anyhow::Result<()> {
    let mut options = fs::OpenOptions::new();
    let options = options.write(true).create_new(true).mode(0o600);
    let opened = options
        .open(file)
        .with_context(|| file.display().to_string());
    std::io::Write::write_all(&mut opened?, text.as_bytes())?;
    Ok(())
}
