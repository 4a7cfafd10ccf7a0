//! The time as the page's two clocks tell it.

use crate::people::Person;
use crate::session::{self, until};
use crate::{js, stack};
use wasm_bindgen::JsValue;
use wasm_bindgen_test::wasm_bindgen_test;

#[wasm_bindgen_test]
async fn many_calls_within_a_millisecond_do_not_make_the_time_run() {
    let (ana, ben) = Person::two().await;
    // Two clocks that stand until they are moved, and that are half a millisecond apart.
    js::eval(
        "globalThis.realClocks = [performance.now, Date.now];
         const [mono, wall] = [performance.now(), Date.now()];
         globalThis.passed = 0;
         performance.now = () => Math.floor(mono + passed);
         Date.now = () => Math.floor(wall + passed + 0.5);
         globalThis.realFetch = fetch; globalThis.sends = 0;
         globalThis.fetch = (url, init) => { sends += url.includes('/insert_chat_message'); return realFetch(url, init) }",
    )
    .await;
    let session = session::live(ana.options(&ben)).await;
    let rule = r#"[{"on": "request", "match": {"path": "/rest/v1/rpc/insert_chat_message*"}, "do": {"delay_ms": 2000}, "times": 1}]"#;
    let faults = stack::faults(rule).await;
    session::send(&session, "slow");
    until(&session, "on its way", |seen| seen.delivery("slow").is_some()).await;
    js::sleep(200).await;
    // 12 s pass, in steps of half a millisecond: less than the 20 s that a send may take.
    let step = js::function("passed += 0.5");
    for _ in 0..24_000 {
        step.call0(&JsValue::UNDEFINED).unwrap();
        session.retry("00000000-0000-4000-8000-000000000000".into());
    }
    until(&session, "sent", |seen| seen.delivery("slow").as_deref() == Some("sent")).await;
    let sends = js::eval("[performance.now, Date.now] = realClocks; globalThis.fetch = realFetch; return sends").await;
    assert_eq!(sends, 1, "it was not given up");
    faults.end().await;
    session.close();
}
