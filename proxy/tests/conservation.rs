//! Conservation where nobody reads: with a pipeline that stands still or has ended, requests are
//! answered as ever, events are dropped, and each of them is counted.

mod harness;

use harness::Gateway;
use rauta_schemas::Family;
use rauta_test_support::{Origin, RawClient, in_time};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// Requests that are sent at once.
const AT_ONCE: usize = 50;

/// Two events of each do not fit into the 8,192 slots of a lane.
const MANY: usize = 6_000;

async fn ask(client: &mut RawClient, requests: usize) {
    for _ in 0..requests / AT_ONCE {
        client.send(GET.repeat(AT_ONCE)).await;
        for _ in 0..AT_ONCE {
            assert_eq!(client.response().await.text(), "ok");
        }
    }
}

/// Waits until so many responses are told and nothing is in a lane any more, and gives what was
/// published and dropped of each kind of event, and delivered to the one subscriber.
async fn settled(gateway: &Gateway, responses: usize) -> [(u64, u64, u64); 2] {
    in_time("the lanes to be empty", async {
        loop {
            let stats = gateway.stats();
            let test = stats.subscriber("test").expect("the harness' own");
            let is_over = stats.lane_queued().sum() == 0 && stats.unaccounted(test).sum() == 0;
            // A client may have its answer a moment before the event is published.
            if is_over && stats.published()[Family::HttpResponse] == responses as u64 {
                return [Family::HttpRequest, Family::HttpResponse].map(|family| {
                    let (published, dropped) = (stats.published(), stats.lane_dropped());
                    (published[family], dropped[family], test.delivered[family])
                });
            }
            tokio::task::yield_now().await;
        }
    })
    .await
}

#[tokio::test]
async fn while_the_pipeline_stands_still_each_lost_event_is_counted_and_no_request_waits() {
    let origin = Origin::saying("ok").await;
    let gateway = Gateway::to(&origin).await;
    let mut client = gateway.client().await;
    let hold = gateway.events.hold();
    ask(&mut client, MANY).await;
    assert_eq!(gateway.proxy.totals().requests, MANY as u64);
    drop(hold);
    let told = settled(&gateway, MANY).await;
    for (published, dropped, delivered) in told {
        assert_eq!(published, MANY as u64);
        assert!(dropped > 0, "{told:?}");
        assert_eq!(delivered + dropped, published, "{told:?}");
    }
    let [(.., requests), (.., responses)] = told;
    assert_eq!(gateway.events.all().len() as u64, requests + responses);
    // What comes later is told again.
    ask(&mut client, AT_ONCE).await;
    let [later, _] = settled(&gateway, MANY + AT_ONCE).await;
    assert_eq!(later.2, requests + AT_ONCE as u64);
}

#[tokio::test]
async fn once_the_pipeline_has_ended_every_event_is_dropped_and_counted() {
    let origin = Origin::saying("ok").await;
    let gateway = Gateway::to(&origin).await;
    let mut client = gateway.client().await;
    ask(&mut client, AT_ONCE).await;
    gateway.events.responses(AT_ONCE).await;
    gateway.end_pipeline().await;
    ask(&mut client, 2 * AT_ONCE).await;
    let told = settled(&gateway, 3 * AT_ONCE).await;
    for told in told {
        let (before, after) = (AT_ONCE as u64, 2 * AT_ONCE as u64);
        assert_eq!(told, (before + after, after, before));
    }
}
