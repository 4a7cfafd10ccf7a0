use crate::people::Person;
use crate::session::{self, seen, until};
use crate::{js, stack};
use js_sys::Object;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::JsFuture;
use wasm_bindgen_test::wasm_bindgen_test;

#[wasm_bindgen_test]
async fn two_sessions_share_one_socket_and_one_join() {
    let (ana, ben) = Person::two().await;
    let topic = format!("chat:{}", ana.thread(&ben));
    let first = session::live(ana.options(&ben)).await;
    let second = session::live(ana.options(&ben)).await;
    assert_eq!(stack::joined(&topic).await, (1, 1));
    session::send(&first, "hello");
    until(&second, "the other's message", |seen| seen.delivery("hello").as_deref() == Some("sent")).await;
    assert!(Object::is(&first.get_snapshot(), &second.get_snapshot()));

    first.close();
    assert_eq!(seen(&first).status(), "closed");
    ben.writes(&ana, "still there?").await;
    until(&second, "a message", |seen| seen.messages().len() == 2 && seen.status() == "live").await;
    second.close();
}

#[wasm_bindgen_test]
async fn threads_of_one_person_share_one_socket() {
    let (ana, ben) = Person::two().await;
    let cleo = Person::new().await;
    let with_ben = session::live(ana.options(&ben)).await;
    let with_cleo = session::live(ana.options(&cleo)).await;
    assert_eq!(stack::joined(&ana.mongo_id).await.0, 1);
    ben.writes(&ana, "from Ben").await;
    cleo.writes(&ana, "from Cleo").await;
    assert_eq!(until(&with_ben, "his", |seen| seen.messages().len() == 1).await.bodies(), ["from Ben"]);
    assert_eq!(until(&with_cleo, "hers", |seen| seen.messages().len() == 1).await.bodies(), ["from Cleo"]);
    with_ben.close();
    with_cleo.close();
}

#[wasm_bindgen_test]
async fn whoever_signs_in_next_finds_nothing_of_the_one_before() {
    let (ana, ben) = Person::two().await;
    let of_ana = session::live(ana.options(&ben)).await;
    session::send(&of_ana, "secret");
    until(&of_ana, "sent", |seen| seen.delivery("secret").as_deref() == Some("sent")).await;

    let cleo = Person::new().await;
    let of_cleo = session::new(cleo.options(&ben));
    let opening = of_cleo.open();
    assert_eq!(seen(&of_ana).status(), "closed");
    assert!(seen(&of_ana).messages().is_empty());
    assert_eq!(
        session::code(&of_ana.send("as whom?".into(), JsValue::UNDEFINED).unwrap_err()).as_deref(),
        Some("closed")
    );
    JsFuture::from(opening).await.unwrap();
    for _ in 0..js::PATIENCE_MS / 10 {
        if stack::joined(&ana.mongo_id).await == (0, 0) {
            break;
        }
        js::sleep(10).await;
    }
    assert_eq!(stack::joined(&ana.mongo_id).await, (0, 0));
    of_cleo.close();
}
