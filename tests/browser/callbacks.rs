use crate::js;
use crate::people::Person;
use crate::session::{self, seen, until};
use chopped_chat::browser::ChatSession;
use js_sys::Object;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use wasm_bindgen_test::wasm_bindgen_test;

fn subscribe(session: &ChatSession, callback: impl Fn() + 'static) -> js_sys::Function {
    let callback = Closure::<dyn Fn()>::new(callback).into_js_value();
    session.subscribe(callback).unchecked_into()
}

fn call(function: &js_sys::Function) {
    function.call0(&JsValue::UNDEFINED).unwrap();
}

fn identical(a: &JsValue, b: &JsValue) -> bool {
    Object::is(a, b)
}

#[wasm_bindgen_test]
async fn a_snapshot_is_frozen_and_stays_identical_until_something_changes() {
    let (ana, ben) = Person::two().await;
    let session = session::live(ana.options(&ben)).await;
    session::send(&session, "mine");
    until(&session, "sent", |seen| seen.delivery("mine").as_deref() == Some("sent")).await;
    let before = seen(&session);
    assert!(identical(&before.0, &session.get_snapshot()));
    for part in [before.0.clone(), js::get(&before.0, "messages"), before.messages().remove(0)] {
        assert!(Object::is_frozen(part.unchecked_ref::<Object>()));
    }

    ben.writes(&ana, "theirs").await;
    let after = until(&session, "two messages", |seen| seen.messages().len() == 2).await;
    assert!(!identical(&before.0, &after.0));
    assert!(identical(&before.messages()[0], &after.messages()[0]));
    assert_eq!(before.messages().len(), 1);
    session.close();
}

#[wasm_bindgen_test]
async fn a_callback_may_call_any_method() {
    let (ana, ben) = Person::two().await;
    let session = Rc::new(session::new(ana.options(&ben)));
    let calls = Rc::new(Cell::new(0));
    let failure = Rc::new(RefCell::new(None));
    let off = {
        let (session, calls, failure) = (session.clone(), calls.clone(), failure.clone());
        subscribe(&session.clone(), move || {
            calls.set(calls.get() + 1);
            session.get_snapshot();
            let _ = session.open();
            let _ = session.load_older();
            session.retry("00000000-0000-4000-8000-000000000000".into());
            call(&subscribe(&session, || ()));
            // One answer to each message of hers, from inside the callback.
            let theirs = seen(&session).bodies().iter().filter(|body| body.starts_with("ping")).count();
            let answers = seen(&session).bodies().iter().filter(|body| body.starts_with("pong")).count();
            if answers < theirs
                && let Err(error) = session.send(format!("pong {answers}").into(), JsValue::UNDEFINED)
            {
                failure.replace(Some(error));
            }
        })
    };
    JsFuture::from(session.open()).await.unwrap();
    until(&session, "live", |seen| seen.status() == "live").await;
    ben.writes(&ana, "ping 0").await;
    ben.writes(&ana, "ping 1").await;
    let all = until(&session, "pings and pongs", |seen| {
        seen.messages().len() == 4 && seen.messages().iter().all(|message| js::text(message, "status") == "sent")
    })
    .await;
    let mut bodies = all.bodies();
    bodies.sort();
    assert_eq!(bodies, ["ping 0", "ping 1", "pong 0", "pong 1"]);
    assert!(failure.borrow().is_none(), "{failure:?}");
    assert!(calls.get() > 0);

    // A subscriber that was taken off hears nothing more.
    call(&off);
    call(&off);
    let heard = calls.get();
    ben.writes(&ana, "unheard").await;
    until(&session, "the message", |seen| seen.messages().len() == 5).await;
    assert_eq!(calls.get(), heard);
    session.close();
}

#[wasm_bindgen_test]
async fn a_callback_may_close_and_open() {
    let (ana, ben) = Person::two().await;
    let session = Rc::new(session::live(ana.options(&ben)).await);
    let closed = Rc::new(Cell::new(false));
    {
        let (session, closed) = (session.clone(), closed.clone());
        subscribe(&session.clone(), move || {
            if !closed.replace(true) {
                session.close();
                let _ = session.open();
            }
        });
    }
    ben.writes(&ana, "hello").await;
    until(&session, "open again", |seen| closed.get() && seen.status() == "live" && seen.messages().len() == 1).await;
    session.close();
}

#[wasm_bindgen_test]
async fn a_throwing_subscriber_does_not_stop_the_others() {
    let (ana, ben) = Person::two().await;
    let session = session::live(ana.options(&ben)).await;
    js::eval(
        "globalThis.realReport = reportError; globalThis.reported = []; globalThis.reportError = e => reported.push(e)",
    )
    .await;
    session.subscribe(js::function("throw new Error('mine')").into());
    let heard = Rc::new(Cell::new(false));
    let also = heard.clone();
    subscribe(&session, move || also.set(true));
    ben.writes(&ana, "hello").await;
    until(&session, "the message", |seen| seen.messages().len() == 1).await;
    js::sleep(20).await;
    assert!(heard.get());
    let reported = js::eval("globalThis.reportError = realReport; return reported.length").await;
    assert!(reported.as_f64().unwrap() >= 1.0);
    session.close();
}

#[wasm_bindgen_test]
async fn a_burst_of_ten_thousand_broadcasts_is_a_handful_of_callbacks() {
    let (ana, ben) = Person::two().await;
    watch_sockets().await;
    let session = session::live(ana.options(&ben)).await;
    let calls = Rc::new(Cell::new(0u32));
    let counter = calls.clone();
    subscribe(&session, move || counter.set(counter.get() + 1));
    let start = js_sys::Date::now();
    broadcast(&ana, &ben, 10_000, "now").await;
    let all = until(&session, "all of them", |seen| seen.messages().len() == 10_000).await;
    let took = js_sys::Date::now() - start;
    assert!(all.messages().iter().enumerate().all(|(i, message)| js::get(message, "seq") == (i + 1) as f64));
    js::sleep(30).await;
    assert!(calls.get() > 0);
    // At most one in each pause of 4 ms, and that is what saves a slow machine too.
    assert!(f64::from(calls.get()) < took / 4.0 + 4.0, "{} callbacks in {took} ms", calls.get());
    session.close();
}

#[wasm_bindgen_test]
async fn a_page_that_renders_slowly_behind_its_callback_is_called_seldom() {
    const FRAMES: u32 = 300;
    let (ana, ben) = Person::two().await;
    let session = session::new(ana.options(&ben));
    watch_sockets().await;
    JsFuture::from(session.open()).await.unwrap();
    until(&session, "live", |seen| seen.status() == "live").await;
    js::sleep(100).await;
    // As React does it: the subscriber returns at once, and the rendering is a microtask behind it. It takes longer than
    // the shortest pause.
    js::eval("globalThis.commits = 0").await;
    session.subscribe(
        js::function(
            "queueMicrotask(() => { commits += 1; for (const end = performance.now() + 20; performance.now() < end;); })",
        )
        .into(),
    );
    broadcast(&ana, &ben, FRAMES, "data => port.postMessage(data)").await;
    until(&session, "all of them", |seen| seen.messages().len() == FRAMES as usize).await;
    js::sleep(200).await;
    let commits = js::eval("return commits").await.as_f64().unwrap();
    assert!(commits >= 1.0 && commits < f64::from(FRAMES) / 5.0, "{commits} commits for {FRAMES} messages");
    session.close();
}

/// Makes every socket of the page from now on known to the test.
async fn watch_sockets() {
    js::eval(
        "globalThis.RealSocket = WebSocket; globalThis.sockets = [];
         globalThis.WebSocket = class extends RealSocket { constructor(...args) { super(...args); sockets.push(this) } }",
    )
    .await;
}

/// Gives the last socket so many broadcasts of `sender`, as Realtime sends what the database broadcasts (binary kind 4),
/// each by `deliver`: a JavaScript function of its bytes, in whose scope a message to `port` is a frame in a task of its own.
async fn broadcast(me: &Person, sender: &Person, count: u32, deliver: &str) {
    let (thread, sender) = (me.thread(sender), &sender.mongo_id);
    js::eval(&format!(
        "const bytes = text => new TextEncoder().encode(text);
         const topic = bytes('realtime:chat:{thread}'), event = bytes('INSERT');
         const meta = bytes('{{\"id\":\"00000000-0000-4000-8000-000000000000\"}}');
         const head = Uint8Array.of(4, topic.length, event.length, meta.length, 1);
         globalThis.WebSocket = RealSocket;
         const socket = sockets.at(-1), {{port1, port2: port}} = new MessageChannel();
         const now = data => socket.dispatchEvent(new MessageEvent('message', {{data}}));
         port1.onmessage = ({{data}}) => now(data);
         const frames = [];
         for (let seq = 1; seq <= {count}; seq++) {{
            const record = {{id: '10000000-0000-4000-8000-' + String(seq).padStart(12, '0'), thread_id: '{thread}',
                sender_mongo_id: '{sender}', body: 'm' + seq, created_at: '2026-01-01T00:00:00Z', seq}};
            const parts = [head, topic, event, meta, bytes(JSON.stringify({{record}}))];
            frames.push(await new Blob(parts).arrayBuffer());
         }}
         const deliver = {deliver};
         for (const data of frames) deliver(data)"
    ))
    .await;
}

#[wasm_bindgen_test]
async fn a_lone_message_reaches_the_page_in_the_same_event() {
    let (ana, ben) = Person::two().await;
    let session = session::live(ana.options(&ben)).await;
    js::sleep(50).await;
    let told = Rc::new(Cell::new(false));
    let flag = told.clone();
    subscribe(&session, move || flag.set(true));
    session::send(&session, "hello");
    assert!(told.get());
    session.close();
}
