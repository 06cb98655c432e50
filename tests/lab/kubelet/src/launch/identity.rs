//! Takes a container's user, groups and capabilities on, in the order in which container runtimes
//! do it.
//!
//! The bounding, permitted and effective sets are what the pod may have; inheritable and ambient
//! ones are empty. So the kernel's rules for `execve` decide: root keeps the sets, another user
//! keeps only what the program's file capabilities give it out of the bounding set.

use std::str::FromStr;

use anyhow::{Context, anyhow};
use caps::{CapSet, Capability, CapsHashSet};
use nix::sys::prctl;
use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};

use super::spec::Identity;

/// Becomes `identity`. There is no way back.
pub(super) fn assume(identity: &Identity) -> anyhow::Result<()> {
    let kept = parse(&identity.capabilities)?;
    limit_bounding_set(&kept)?;
    prctl::set_keepcaps(true).context("capabilities cannot be kept")?;
    set_ids(identity)?;
    prctl::set_keepcaps(false).context("capabilities cannot be set")?;
    set_capabilities(&kept)?;
    if identity.no_new_privileges {
        prctl::set_no_new_privs().context("no_new_privs cannot be set")?;
    }
    Ok(())
}

fn parse(names: &[String]) -> anyhow::Result<CapsHashSet> {
    names
        .iter()
        .map(|name| {
            Capability::from_str(name).map_err(|_| anyhow!("capability {name} does not exist"))
        })
        .collect()
}

fn limit_bounding_set(kept: &CapsHashSet) -> anyhow::Result<()> {
    for capability in caps::all() {
        // The kernel may be older than the list: what it does not know cannot be given either.
        let known = caps::has_cap(None, CapSet::Bounding, capability).unwrap_or(false);
        if known && !kept.contains(&capability) {
            caps::drop(None, CapSet::Bounding, capability)
                .with_context(|| format!("{capability} cannot be dropped"))?;
        }
    }
    Ok(())
}

fn set_ids(identity: &Identity) -> anyhow::Result<()> {
    let groups: Vec<Gid> = identity
        .groups
        .iter()
        .map(|id| Gid::from_raw(*id))
        .collect();
    setgroups(&groups).context("supplementary groups cannot be set")?;
    let group = Gid::from_raw(identity.group);
    setresgid(group, group, group).with_context(|| format!("group {group} cannot be set"))?;
    let user = Uid::from_raw(identity.user);
    setresuid(user, user, user).with_context(|| format!("user {user} cannot be set"))
}

fn set_capabilities(kept: &CapsHashSet) -> anyhow::Result<()> {
    let nothing = CapsHashSet::new();
    caps::set(None, CapSet::Inheritable, &nothing).context("inheritable capabilities")?;
    // The effective set must stay within the permitted one at every step.
    caps::set(None, CapSet::Effective, &nothing).context("effective capabilities")?;
    caps::set(None, CapSet::Permitted, kept).context("permitted capabilities")?;
    caps::set(None, CapSet::Effective, kept).context("effective capabilities")
}
