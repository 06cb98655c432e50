//! Each document reads back from JSON and from MessagePack as it was written.

use std::fmt::Debug;

use proptest::prelude::*;
use rauta_schemas::{
    ConnectionDocument, Document, Emission, EndpointDocument, HttpProgressDocument,
    HttpRequestDocument, HttpResponseDocument, ObserverEvent, Producer,
};

use crate::strategy;

fn assert_reads_back<D: Document + PartialEq + Debug>(document: &D) {
    let json = document.to_json();
    let read: D = serde_json::from_slice(&json).expect("JSON reads back");
    assert_eq!(&read, document, "JSON");
    assert!(!json.contains(&b'\n'), "a document is one line");
    let msgpack = document.to_msgpack();
    let read: D = rmp_serde::from_slice(&msgpack).expect("MessagePack reads back");
    assert_eq!(&read, document, "MessagePack");
    // Named maps: a reader without the types sees the same fields in both.
    let from_msgpack: serde_json::Value = rmp_serde::from_slice(&msgpack).expect("a named map");
    let from_json: serde_json::Value = serde_json::from_slice(&json).expect("JSON");
    assert_eq!(from_msgpack, from_json);
}

fn producer() -> Producer {
    Producer {
        cluster: "prod".to_owned(),
        node: "n1".to_owned(),
        version: "0.1.0".to_owned(),
    }
}

proptest! {
    #[test]
    fn requests_read_back(event in strategy::request()) {
        assert_reads_back(&HttpRequestDocument::new(&event, &strategy::known().names));
    }

    #[test]
    fn responses_read_back(event in strategy::response(), request in strategy::request()) {
        let document = HttpResponseDocument::new(&event, &strategy::known().names);
        assert_reads_back(&document);
        assert_reads_back(&document.with_request(&request));
    }

    #[test]
    fn progress_reads_back(event in strategy::progress()) {
        assert_reads_back(&HttpProgressDocument::new(&event, &strategy::known().names));
    }

    #[test]
    fn connections_read_back(event in strategy::connection()) {
        assert_reads_back(&ConnectionDocument::new(&event, &strategy::known().names));
    }

    #[test]
    fn endpoints_read_back(event in strategy::endpoint()) {
        assert_reads_back(&EndpointDocument::new(&event, &strategy::known().names));
    }

    #[test]
    fn anomalies_read_back(event in strategy::anomaly(), sequence in any::<u64>()) {
        let emission = Emission { boot_id: "01BOOT".to_owned(), sequence };
        assert_reads_back(&event.tapio());
        assert_reads_back(&event.tapio_emitted(&emission));
        assert_reads_back(&event.occurrence(&producer()));
        assert_reads_back(&event.occurrence(&producer()).with_emission(&emission));
    }

    #[test]
    fn an_anomaly_that_was_kept_on_disk_is_what_it_was(event in strategy::anomaly()) {
        let kept = rmp_serde::to_vec_named(&event).expect("encodes");
        let read: ObserverEvent = rmp_serde::from_slice(&kept).expect("decodes");
        // As texts, because what is no number equals nothing, not even itself.
        assert_eq!(format!("{read:?}"), format!("{event:?}"));
    }

    #[test]
    fn no_bytes_make_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _json = serde_json::from_slice::<HttpResponseDocument>(&bytes);
        let _msgpack = rmp_serde::from_slice::<HttpResponseDocument>(&bytes);
    }
}
