//! What people are told about a request.

mod fixture;

use fixture::{And, Ask, Fixture, exact, get, prefix};
use http::Method;
use rauta_routing::RouteTable;

/// The rule found, then each near miss as `rule: why`.
fn told(table: &RouteTable, ask: &Ask) -> (Option<String>, Vec<String>) {
    let view = ask.view();
    let explanation = table.explain(&view);
    let name =
        |considered: &rauta_routing::Considered<'_>| considered.rule.name.name().rule.clone();
    let near = explanation
        .nearest
        .iter()
        .map(|near| {
            let failed = near.failed.as_ref().expect("a near miss failed somewhere");
            format!("{}: {failed}", name(near))
        })
        .collect();
    (explanation.found.as_ref().map(name), near)
}

fn table() -> RouteTable {
    Fixture::default()
        .route(
            "shop",
            0,
            &["shop.example.com"],
            vec![
                vec![prefix("/cart").header("x-stage", "beta")],
                vec![prefix("/cart").method(Method::POST)],
                vec![exact("/carts").query("v", "~[12]")],
            ],
        )
        .route("blog", 0, &["blog.example.com"], vec![vec![prefix("/")]])
        .table()
}

#[test]
fn near_misses_come_nearest_first_with_the_condition_that_failed() {
    let ask = get("shop.example.com/cart/7").header("x-stage", "live");
    let (found, near) = told(&table(), &ask);
    assert_eq!(found, None);
    assert_eq!(
        near,
        [
            "shop/0: header x-stage is \"live\", not \"beta\"",
            "shop/1: method is not POST",
            "shop/2: path is not exactly /carts",
            "blog/0: host is none of blog.example.com",
        ]
    );
    let (_, near) = told(&table(), &get("shop.example.com/carts?v=3"));
    assert_eq!(
        near[0],
        "shop/2: query parameter v is \"3\", not like ^(?:[12])$"
    );
}

#[test]
fn a_rule_found_comes_with_those_before_it_that_were_missed() {
    let ask = get("shop.example.com/cart").method(Method::POST);
    let (found, near) = told(&table(), &ask);
    assert_eq!(found.as_deref(), Some("shop/1"));
    assert!(
        near.is_empty(),
        "a header match ranks after a method match: {near:?}"
    );
    let table = Fixture::default()
        .route(
            "shop",
            0,
            &[],
            vec![
                vec![prefix("/")],
                vec![prefix("/cart").header("x-stage", "beta")],
                vec![prefix("/other")],
            ],
        )
        .table();
    let (found, near) = told(&table, &get("h/cart"));
    assert_eq!(found.as_deref(), Some("shop/0"));
    assert_eq!(near, ["shop/1: header x-stage is absent, not \"beta\""]);
}

#[test]
fn the_list_is_short_however_large_the_table() {
    let rules = (0..500)
        .map(|n| vec![exact(&format!("/path-{n}"))])
        .collect();
    let table = Fixture::default().route("shop", 0, &[], rules).table();
    let (_, near) = told(&table, &get("h/path-499x"));
    assert_eq!(near.len(), 10);
    assert_eq!(near[0], "shop/499: path is not exactly /path-499");
}
