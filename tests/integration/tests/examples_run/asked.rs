//! What is asked of the examples with curl, and what the answer is.

/// Examples that are started together, and what is asked of them.
pub(crate) struct Example {
    pub(crate) files: &'static [&'static str],
    pub(crate) asks: &'static [Ask],
}

/// The arguments of curl, and lines that the answer has: of its head, of the request as the origin
/// read it, `certificate:` with the Secret of the server's certificate, `exit` with curl's code
/// where there is no answer.
pub(crate) type Ask = (&'static [&'static str], &'static [&'static str]);

const NOT_FOUND: &[&str] = &["HTTP/1.1 404 Not Found", "no route matches"];

pub(crate) const EXAMPLES: &[Example] = &[
    Example {
        files: &["basic-http.yaml"],
        asks: &[
            (
                &["http://foo.com/bar"],
                &[
                    "HTTP/1.1 200 OK",
                    "served-by: default/my-service1",
                    "GET /bar HTTP/1.1",
                    "host: foo.com",
                ],
            ),
            (
                &["--http2-prior-knowledge", "http://foo.com/bar/x?y=z"],
                &[
                    "HTTP/2 200",
                    "served-by: default/my-service1",
                    "GET /bar/x?y=z HTTP/1.1",
                ],
            ),
            (&["http://foo.com/barn"], NOT_FOUND),
            (&["http://bar.com/bar"], NOT_FOUND),
            (
                &[
                    "--header",
                    "magic: foo",
                    "http://foo.com/some/thing/more?great=example",
                ],
                &[
                    "HTTP/1.1 200 OK",
                    "served-by: default/my-service2",
                    "magic: foo",
                ],
            ),
            (&["http://foo.com/some/thing?great=example"], NOT_FOUND),
            (
                &[
                    "--header",
                    "magic: foo",
                    "http://foo.com/some/thing?great=examples",
                ],
                NOT_FOUND,
            ),
            (
                &[
                    "--request",
                    "POST",
                    "--header",
                    "magic: foo",
                    "http://foo.com/some/thing?great=example",
                ],
                NOT_FOUND,
            ),
        ],
    },
    Example {
        files: &[
            "cross-namespace-routing/0-namespaces.yaml",
            "cross-namespace-routing/gateway.yaml",
            "cross-namespace-routing/site-route.yaml",
            "cross-namespace-routing/store-route.yaml",
        ],
        asks: &[
            (
                &["https://foo.example.com/"],
                &[
                    "HTTP/2 200",
                    "served-by: site-ns/home",
                    "certificate: infra-ns/foo-example-com",
                ],
            ),
            (
                &["--http1.1", "https://foo.example.com/store/cart"],
                &[
                    "HTTP/1.1 200 OK",
                    "served-by: store-ns/store",
                    "x-forwarded-proto: https",
                ],
            ),
            (&["https://bar.example.com/"], &["exit 35"]),
        ],
    },
    Example {
        files: &["default-match-http.yaml"],
        asks: &[
            (
                &["http://default-match.com/example/exact"],
                &["HTTP/1.1 200 OK", "served-by: default/my-service-2"],
            ),
            (&["http://default-match.com/example/exact/"], NOT_FOUND),
            (
                &[
                    "--header",
                    "magic: default-match",
                    "http://default-match.com/any",
                ],
                &["HTTP/1.1 500 Internal Server Error"],
            ),
        ],
    },
    Example {
        files: &["http-redirect.yaml"],
        asks: &[
            (
                &["http://my-filter.example.com/x/y?z=1"],
                &[
                    "HTTP/1.1 302 Found",
                    "location: https://my-filter.example.com/x/y?z=1",
                ],
            ),
            (
                &["--location", "http://my-filter.example.com/x/y?z=1"],
                &[
                    "HTTP/1.1 302 Found",
                    "HTTP/2 200",
                    "served-by: gateway-api-example-ns1/my-filter-svc1",
                    "certificate: gateway-api-example-ns1/example-com-cert",
                    "GET /x/y?z=1 HTTP/1.1",
                ],
            ),
            (
                &["https://other.example.com/"],
                &["HTTP/2 404", "no route matches"],
            ),
        ],
    },
    // Both files have a route of the same name: the first one's is served, at the other's Gateway.
    Example {
        files: &["http-redirect-path.yaml", "http-redirect.yaml"],
        asks: &[(
            &["http://my-filter.example.com/x/y"],
            &[
                "HTTP/1.1 302 Found",
                "location: http://my-filter.example.com/foo",
            ],
        )],
    },
    // The same; its rule has no backend.
    Example {
        files: &["http-rewrite.yaml", "http-redirect.yaml"],
        asks: &[(
            &["http://my-filter.example.com/x/y"],
            &["HTTP/1.1 500 Internal Server Error"],
        )],
    },
    Example {
        files: &[
            "http-redirect-rewrite/gateway-redirect-http-https.yaml",
            "http-redirect-rewrite/httproute-redirect-303.yaml",
            "http-redirect-rewrite/httproute-redirect-307.yaml",
            "http-redirect-rewrite/httproute-redirect-308.yaml",
            "http-redirect-rewrite/httproute-redirect-http.yaml",
            "http-redirect-rewrite/httproute-redirect-https.yaml",
        ],
        asks: &[
            (
                &["--data", "a=b", "http://forms.example.com/submit-form"],
                &[
                    "HTTP/1.1 303 See Other",
                    "location: http://forms.example.com/thank-you",
                ],
            ),
            (
                &["--data", "a=b", "https://forms.example.com/submit-form"],
                &[
                    "HTTP/2 303",
                    "location: https://forms.example.com/thank-you",
                ],
            ),
            (&["http://forms.example.com/submit-form"], NOT_FOUND),
            (
                &[
                    "--request",
                    "PUT",
                    "--data",
                    "a=b",
                    "http://api.example.com/api/v1/users",
                ],
                &[
                    "HTTP/1.1 307 Temporary Redirect",
                    "location: http://api.example.com/api/v2",
                ],
            ),
            (
                &["http://api.example.com/old-api/x"],
                &[
                    "HTTP/1.1 308 Permanent Redirect",
                    "location: http://api.example.com/new-api",
                ],
            ),
            (
                &["--location", "http://redirect.example/x?y"],
                &[
                    "HTTP/1.1 301 Moved Permanently",
                    "location: https://redirect.example/x?y",
                    "HTTP/2 200",
                    "served-by: default/example-svc",
                    "certificate: default/redirect-example",
                ],
            ),
        ],
    },
    Example {
        files: &[
            "0-namespaces.yaml",
            "http-route-attachment/gateway-strict.yaml",
            "http-route-attachment/httproute.yaml",
        ],
        asks: &[(
            &["http://any.example/x"],
            &[
                "HTTP/1.1 200 OK",
                "served-by: gateway-api-example-ns2/foo-svc",
                "host: any.example",
            ],
        )],
    },
    Example {
        files: &[
            "0-namespaces.yaml",
            "http-route-attachment/gateway-namespaces.yaml",
        ],
        asks: &[(&["http://any.example/x"], NOT_FOUND)],
    },
    Example {
        files: &[
            "http-routing/gateway.yaml",
            "http-routing/bar-httproute.yaml",
            "http-routing/foo-httproute.yaml",
        ],
        asks: &[
            (
                &["http://example.com/x"],
                &["HTTP/1.1 200 OK", "served-by: default/example-svc"],
            ),
            (
                &["http://foo.example.com/login/x"],
                &["HTTP/1.1 200 OK", "served-by: default/foo-svc"],
            ),
            (&["http://foo.example.com/logins"], NOT_FOUND),
            (
                &["http://bar.example.com/x"],
                &["HTTP/1.1 200 OK", "served-by: default/bar-svc"],
            ),
            (
                &[
                    "--header",
                    "env: canary",
                    "--data",
                    "some=form",
                    "http://bar.example.com/x",
                ],
                &[
                    "HTTP/1.1 200 OK",
                    "served-by: default/bar-svc-canary",
                    "some=form",
                ],
            ),
            (
                &[
                    "--http2-prior-knowledge",
                    "--header",
                    "env: canary",
                    "http://bar.example.com/x",
                ],
                &["HTTP/2 200", "served-by: default/bar-svc-canary"],
            ),
            (&["http://baz.example.com/x"], NOT_FOUND),
        ],
    },
    Example {
        files: &[
            "simple-gateway/gateway.yaml",
            "simple-gateway/httproute.yaml",
        ],
        asks: &[(
            &["http://any.example/x"],
            &["HTTP/1.1 200 OK", "served-by: default/foo-svc"],
        )],
    },
    Example {
        files: &[
            "simple-http-https/gateway.yaml",
            "simple-http-https/bar-route.yaml",
            "simple-http-https/foo-route.yaml",
            "simple-http-https/tls-redirect-route.yaml",
        ],
        asks: &[
            (
                &["http://foo.example.com/orders?id=1"],
                &[
                    "HTTP/1.1 302 Found",
                    "location: https://foo.example.com/orders?id=1",
                ],
            ),
            (
                &["https://foo.example.com/"],
                &[
                    "HTTP/2 200",
                    "served-by: default/foo-app",
                    "certificate: default/example-com",
                ],
            ),
            (
                &["https://foo.example.com/orders/1"],
                &["HTTP/2 200", "served-by: default/foo-orders-app"],
            ),
            (
                &["--location", "http://bar.example.com/x"],
                &[
                    "HTTP/1.1 302 Found",
                    "HTTP/2 200",
                    "served-by: default/bar-app",
                ],
            ),
            (
                &["https://baz.example.com/"],
                &["HTTP/2 404", "no route matches"],
            ),
            (&["http://baz.example.com/"], NOT_FOUND),
        ],
    },
    Example {
        files: &["tls-basic.yaml"],
        asks: &[
            (
                &["https://foo.example.com/"],
                &["HTTP/2 404", "certificate: default/foo-example-com-cert"],
            ),
            (
                &["https://bar.example.com/"],
                &["HTTP/2 404", "certificate: default/bar-example-com-cert"],
            ),
            (&["https://baz.example.com/"], &["exit 35"]),
        ],
    },
    Example {
        files: &["0-namespaces.yaml", "tls-cert-cross-namespace.yaml"],
        asks: &[(
            &["https://any.example.com/"],
            &[
                "HTTP/2 404",
                "certificate: gateway-api-example-ns2/wildcard-example-com-cert",
            ],
        )],
    },
    Example {
        files: &["wildcard-tls-gateway.yaml"],
        asks: &[
            (
                &["https://foo.example.com/"],
                &["HTTP/2 404", "certificate: default/foo-example-com-cert"],
            ),
            (
                &["https://bar.example.com/"],
                &[
                    "HTTP/2 404",
                    "certificate: default/wildcard-example-com-cert",
                ],
            ),
        ],
    },
    // No example has a route to a backend that is spoken to over TLS.
    Example {
        files: &["backend-tls.yaml"],
        asks: &[(&["http://foo.example.com/"], NOT_FOUND)],
    },
    // Its ListenerSets have no effect yet.
    Example {
        files: &["listenerset/listenerset.yaml"],
        asks: &[(&["http://foo.com/"], NOT_FOUND)],
    },
];
