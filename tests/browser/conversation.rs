use crate::people::Person;
use crate::session::{self, seen, until};
use crate::{js, stack};
use wasm_bindgen_futures::JsFuture;
use wasm_bindgen_test::wasm_bindgen_test;

#[wasm_bindgen_test]
async fn a_message_is_there_at_once_and_keeps_its_id_until_it_is_sent() {
    let (ana, ben) = Person::two().await;
    let session = session::live(ana.options(&ben)).await;
    let id = session::send(&session, "hello");

    let draft = seen(&session).messages().remove(0);
    assert_eq!(js::text(&draft, "id"), id);
    assert_eq!(js::text(&draft, "status"), "sending");
    assert!(js::get(&draft, "seq").is_null());
    assert!(js::text(&draft, "createdAt").ends_with('Z'));

    let sent = until(&session, "sent", |seen| seen.delivery("hello").as_deref() == Some("sent")).await;
    let [message] = sent.messages().try_into().unwrap();
    assert_eq!(js::text(&message, "id"), id);
    assert_eq!(js::get(&message, "seq"), 1.0);
    assert_eq!(js::text(&message, "sender"), "me");
    session.close();
}

#[wasm_bindgen_test]
async fn sent_twice_under_one_id_it_is_one_message() {
    let (ana, ben) = Person::two().await;
    let session = session::live(ana.options(&ben)).await;
    let id = js::eval("return crypto.randomUUID()").await.as_string().unwrap();
    let send = || session.send("hello".into(), id.clone().into()).unwrap();
    assert_eq!(send(), id);
    assert_eq!(send(), id);
    let sent = until(&session, "sent", |seen| seen.delivery("hello").as_deref() == Some("sent")).await;
    assert_eq!(send(), id);
    assert_eq!(sent.bodies(), ["hello"]);
    assert_eq!(seen(&session).bodies(), ["hello"]);
    let malformed = session.send("hello".into(), "no UUID".into()).unwrap_err();
    assert_eq!(session::code(&malformed).as_deref(), Some("invalid-options"));
    session.close();
}

#[wasm_bindgen_test]
async fn the_other_persons_messages_arrive_live_and_in_order() {
    let (ana, ben) = Person::two().await;
    let session = session::live(ana.options(&ben)).await;
    for body in ["one", "two", "three"] {
        ben.writes(&ana, body).await;
    }
    let all = until(&session, "three messages", |seen| seen.messages().len() == 3).await;
    assert_eq!(all.bodies(), ["one", "two", "three"]);
    for (message, seq) in all.messages().iter().zip([1.0, 2.0, 3.0]) {
        assert_eq!(js::text(message, "sender"), "them");
        assert_eq!(js::get(message, "seq"), seq);
    }
    session.close();
}

#[wasm_bindgen_test]
async fn history_comes_page_by_page_without_repeat_or_hole() {
    let (ana, ben) = Person::two().await;
    ana.ensure(&ben).await;
    let bodies: Vec<String> = (1..=45).map(|n| format!("message {n}")).collect();
    for (n, body) in bodies.iter().enumerate() {
        if n % 2 == 0 { ana.writes(&ben, body).await } else { ben.writes(&ana, body).await }
    }
    let options = ana.options(&ben);
    js::set(&options, "pageSize", 20);
    let session = session::live(options).await;
    assert_eq!(seen(&session).bodies(), bodies[25..]);
    assert!(seen(&session).has_older());
    JsFuture::from(session.load_older()).await.unwrap();
    assert_eq!(seen(&session).bodies(), bodies[5..]);
    // Two who ask at once ask once.
    let (first, second) = (session.load_older(), session.load_older());
    JsFuture::from(first).await.unwrap();
    JsFuture::from(second).await.unwrap();
    assert_eq!(seen(&session).bodies(), bodies);
    assert!(!seen(&session).has_older());
    JsFuture::from(session.load_older()).await.unwrap();
    assert_eq!(seen(&session).bodies(), bodies);
    session.close();
}

#[wasm_bindgen_test]
async fn closing_leaves_the_topic_and_opening_again_joins_it() {
    let (ana, ben) = Person::two().await;
    let topic = format!("chat:{}", ana.thread(&ben));
    let session = session::live(ana.options(&ben)).await;
    ben.writes(&ana, "before").await;
    until(&session, "a message", |seen| seen.messages().len() == 1).await;
    assert_eq!(stack::joined(&topic).await, (1, 1));

    session.close();
    assert_eq!(seen(&session).status(), "closed");
    assert!(seen(&session).messages().is_empty());
    for _ in 0..js::PATIENCE_MS / 10 {
        if stack::joined(&topic).await == (0, 0) {
            break;
        }
        js::sleep(10).await;
    }
    assert_eq!(stack::joined(&topic).await, (0, 0));

    ben.writes(&ana, "meanwhile").await;
    JsFuture::from(session.open()).await.unwrap();
    let again = until(&session, "both", |seen| seen.messages().len() == 2 && seen.status() == "live").await;
    assert_eq!(again.bodies(), ["before", "meanwhile"]);
    assert_eq!(stack::joined(&topic).await, (1, 1));
    session.close();
}
