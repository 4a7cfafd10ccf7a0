//! What the browser says of the network, and answers that come late.

use crate::js;
use crate::people::Person;
use crate::session::{self, seen, until};
use wasm_bindgen::JsValue;
use wasm_bindgen_test::wasm_bindgen_test;

/// The page's network, with everything counted that is asked of it.
struct Network;

impl Network {
    async fn watched() -> Network {
        js::eval(
            "globalThis.realNetwork ??= [fetch, WebSocket];
             globalThis.asked = [];
             globalThis.fetch = (url, init) => { asked.push(String(url)); return (0, realNetwork[0])(url, init) };
             globalThis.WebSocket = class extends realNetwork[1] {
                constructor(url) { asked.push(url); super(url) }
             }",
        )
        .await;
        Network
    }

    /// The browser says that the network is there, or is not; with the event that tells of it, if it does.
    async fn says(&self, online: bool, event: &str) {
        js::eval(&format!(
            "Object.defineProperty(navigator, 'onLine', {{configurable: true, get: () => {online}}});
             if ('{event}') dispatchEvent(new Event('{event}'))"
        ))
        .await;
    }

    /// What was asked since the last look.
    async fn asked(&self) -> Vec<String> {
        let asked = js::eval("return asked.splice(0)").await;
        js_sys::Array::from(&asked).iter().filter_map(|url| url.as_string()).collect()
    }

    async fn end(self) {
        js::eval("[globalThis.fetch, globalThis.WebSocket] = realNetwork; delete navigator.onLine").await;
    }
}

/// A moment in which whatever would be asked is asked.
const MOMENT_MS: u32 = 600;

#[wasm_bindgen_test]
async fn a_page_that_starts_offline_asks_nothing_until_the_network_is_there() {
    let (ana, ben) = Person::two().await;
    let network = Network::watched().await;
    network.says(false, "").await;
    let session = session::new(ana.options(&ben));
    let _ = session.open();
    session::send(&session, "as soon as possible");
    js::sleep(MOMENT_MS).await;
    assert_eq!(seen(&session).status(), "offline");
    assert_eq!(network.asked().await, [] as [String; 0]);

    network.says(true, "online").await;
    until(&session, "sent", |seen| seen.delivery("as soon as possible").as_deref() == Some("sent")).await;
    until(&session, "live", |seen| seen.status() == "live").await;
    network.end().await;
    session.close();
}

#[wasm_bindgen_test]
async fn while_the_browser_says_offline_nothing_is_asked() {
    let (ana, ben) = Person::two().await;
    let network = Network::watched().await;
    let session = session::live(ana.options(&ben)).await;
    js::sleep(MOMENT_MS).await;
    network.asked().await;
    network.says(false, "offline").await;
    for n in 0..8 {
        session.send(format!("message {n}").into(), JsValue::UNDEFINED).unwrap();
    }
    js::sleep(MOMENT_MS).await;
    assert_eq!(seen(&session).status(), "offline");
    assert_eq!(network.asked().await, [] as [String; 0]);

    network.says(true, "online").await;
    until(&session, "all sent", |seen| {
        (0..8).all(|n| seen.delivery(&format!("message {n}")).as_deref() == Some("sent"))
    })
    .await;
    network.end().await;
    session.close();
}

#[wasm_bindgen_test]
async fn a_page_that_comes_back_from_the_cache_looks_whether_the_network_is_there() {
    let (ana, ben) = Person::two().await;
    let network = Network::watched().await;
    let session = session::live(ana.options(&ben)).await;
    network.says(false, "offline").await;
    until(&session, "offline", |seen| seen.status() == "offline").await;
    // No page hears of anything while it is in the cache.
    network.says(true, "").await;
    js::eval("dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}))").await;
    until(&session, "live", |seen| seen.status() == "live").await;
    network.end().await;
    session.close();
}

#[wasm_bindgen_test]
async fn a_browser_that_says_offline_and_is_wrong_is_no_dead_end() {
    let (ana, ben) = Person::two().await;
    let network = Network::watched().await;
    network.says(false, "").await;
    let session = session::new(ana.options(&ben));
    let _ = session.open();
    session::send(&session, "there is a network");
    until(&session, "offline", |seen| seen.status() == "offline").await;
    // Some minutes later, by the page's clocks.
    js::eval(
        "globalThis.realClocks = [performance.now, Date.now];
         performance.now = () => realClocks[0].call(performance) + 150_000;
         Date.now = () => realClocks[1]() + 150_000",
    )
    .await;
    session.retry("00000000-0000-4000-8000-000000000000".into());
    until(&session, "sent", |seen| seen.delivery("there is a network").as_deref() == Some("sent")).await;
    js::eval("[performance.now, Date.now] = realClocks").await;
    network.end().await;
    session.close();
}

#[wasm_bindgen_test]
async fn a_send_whose_broadcast_comes_before_its_answer_is_not_aborted() {
    let (ana, ben) = Person::two().await;
    let session = session::live(ana.options(&ben)).await;
    // The answer reaches the page half a second after the broadcast.
    js::eval(
        "globalThis.realFetch ??= fetch; globalThis.sends = []; globalThis.unheard = [];
         globalThis.onRejection = event => unheard.push(String(event.reason));
         addEventListener('unhandledrejection', onRejection);
         globalThis.fetch = async (url, init) => {
            if (!url.includes('/insert_chat_message')) return realFetch(url, init);
            const send = {answered: false};
            sends.push(send);
            const answer = await realFetch(url, init);
            await new Promise(done => setTimeout(done, 500));
            send.answered = true;
            send.aborted = init.signal.aborted;
            return answer
         }",
    )
    .await;
    let bodies = ["one", "two", "three"];
    for body in bodies {
        session.send(body.into(), JsValue::UNDEFINED).unwrap();
        until(&session, "sent", |seen| seen.delivery(body).as_deref() == Some("sent")).await;
    }
    js::sleep(700).await;
    let counts = js::eval(
        "globalThis.fetch = realFetch; removeEventListener('unhandledrejection', onRejection);
         return [sends.length, sends.filter(({aborted}) => aborted).length, sends.filter(({answered}) => answered).length,
            unheard.length].join()",
    )
    .await;
    assert_eq!(counts, "3,0,3,0", "sends, of them aborted, of them answered, and rejections that nobody heard of");
    assert_eq!(seen(&session).bodies(), bodies);
    // It goes on.

    ben.writes(&ana, "four").await;
    until(&session, "the next one", |seen| seen.messages().len() == 4).await;
    session.close();
}
