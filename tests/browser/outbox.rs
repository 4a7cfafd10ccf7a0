//! What is not sent outlives the page, is sent by one page, and is nobody else's.

use crate::people::Person;
use crate::session::{self, Seen, seen, until};
use crate::{js, stack};
use chopped_chat::browser::{ChatSession, sign_out};
use js_sys::Array;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::JsFuture;
use wasm_bindgen_test::wasm_bindgen_test;

/// A way into the database that does not go through the package.
const OPEN: &str = "const database = await new Promise((done, failed) => {
        const request = indexedDB.open('chopped-chat', 1);
        request.onupgradeneeded = () => request.result.createObjectStore('drafts', {keyPath: ['project', 'person', 'id']});
        request.onsuccess = () => done(request.result);
        request.onerror = () => failed(request.error)});
    database.onversionchange = () => database.close();
    const drafts = mode => database.transaction('drafts', mode).objectStore('drafts');
    const settled = request => new Promise((done, failed) => {
        request.onsuccess = () => done(request.result);
        request.onerror = () => failed(request.error)});";

/// The stored records of `person`.
async fn stored(person: &Person) -> Vec<JsValue> {
    let id = &person.mongo_id;
    let all = js::eval(&format!(
        "{OPEN} const all = await settled(drafts('readonly').getAll()); database.close();
         return all.filter(record => record.person === '{id}')"
    ))
    .await;
    Array::from(&all).to_vec()
}

async fn until_stored(person: &Person, what: &str, wanted: impl Fn(&[JsValue]) -> bool) -> Vec<JsValue> {
    for _ in 0..js::PATIENCE_MS / 10 {
        let records = stored(person).await;
        if wanted(&records) {
            return records;
        }
        js::sleep(10).await;
    }
    panic!("{what} did not come about: {:?}", stored(person).await);
}

async fn until_stored_are(person: &Person, count: usize) -> Vec<JsValue> {
    until_stored(person, &format!("{count} records"), |records| records.len() == count).await
}

/// Writes a record as a page that is dead by now did.
async fn left_behind(author: &Person, other: &Person, id: &str, order: u32, body: &str, more: &str) {
    let (url, me, thread) = (stack::url(), &author.mongo_id, author.thread(other));
    js::eval(&format!(
        "{OPEN} await settled(drafts('readwrite').put({{project: '{url}', person: '{me}', id: '{id}', owner: 'the-dead',
            thread: '{thread}', order: {order}, writtenAt: 1000, body: '{body}', {more}}})); database.close()"
    ))
    .await;
}

fn id(n: u32) -> String {
    format!("{:08x}-0000-4000-8000-{:012x}", (js_sys::Math::random() * f64::from(u32::MAX)) as u32, n)
}

fn persists(seen: &Seen) -> bool {
    js::get(&seen.0, "outboxPersists") == true
}

fn sent(seen: &Seen, body: &str) -> bool {
    seen.delivery(body).as_deref() == Some("sent")
}

/// The server takes nothing in.
const SENDING_FAILS: &str =
    r#"[{"on": "request", "match": {"path": "/rest/v1/rpc/insert_chat_message*"}, "do": {"status": 503, "body": {}}}]"#;

/// Puts JavaScript in the place of something, and puts that back.
struct Patched(&'static str);

impl Patched {
    async fn new(place: &'static str, by: &str) -> Self {
        js::eval(&format!(
            "globalThis.patched = Object.getOwnPropertyDescriptor({place});
             Object.defineProperty({place}, {{configurable: true, {by}}})"
        ))
        .await;
        Patched(place)
    }

    async fn end(self) {
        js::eval(&format!("Object.defineProperty({}, globalThis.patched)", self.0)).await;
    }
}

/// Ends `ana`'s sessions as a reload would: another person's session on the same page ends hers.
fn end_sessions_of(ana: &Person, ben: &Person) {
    let other = session::new(ben.options(ana));
    let _ = other.open();
    other.close();
}

#[wasm_bindgen_test]
async fn a_draft_is_stored_before_its_bubble_is_told_of_and_gone_once_it_is_sent() {
    let (ana, ben) = Person::two().await;
    let session = session::live(ana.options(&ben)).await;
    let faults = stack::faults(SENDING_FAILS).await;
    session::send(&session, "wait");
    let [record] = &until_stored_are(&ana, 1).await[..] else { panic!() };
    assert_eq!(js::text(record, "body"), "wait");
    assert_eq!(js::text(record, "project"), stack::url());
    assert_eq!(js::text(record, "id"), js::text(&seen(&session).messages()[0], "id"));
    assert!(persists(&seen(&session)));
    faults.end().await;
    until(&session, "sent", |seen| sent(seen, "wait")).await;
    until_stored_are(&ana, 0).await;
    session.close();
}

#[wasm_bindgen_test]
async fn what_a_dead_page_left_is_sent_in_its_order() {
    let (ana, ben) = Person::two().await;
    left_behind(&ana, &ben, &id(2), 2, "second", "").await;
    left_behind(&ana, &ben, &id(1), 1, "first", "").await;
    let session = session::live(ana.options(&ben)).await;
    until(&session, "both sent", |seen| sent(seen, "first") && sent(seen, "second")).await;
    assert_eq!(seen(&session).bodies(), ["first", "second"]);
    until_stored_are(&ana, 0).await;
    session.close();
}

#[wasm_bindgen_test]
async fn what_was_left_for_another_thread_is_sent_without_opening_it() {
    let (ana, ben) = Person::two().await;
    let cleo = Person::new().await;
    left_behind(&ana, &cleo, &id(1), 1, "to Cleo", "").await;
    let with_ben = session::live(ana.options(&ben)).await;
    until_stored_are(&ana, 0).await;
    let of_cleo = ana.options(&cleo);
    let with_cleo = session::live(of_cleo).await;
    until(&with_cleo, "it", |seen| sent(seen, "to Cleo") && seen.messages().len() == 1).await;
    with_cleo.close();
    with_ben.close();
}

#[wasm_bindgen_test]
async fn a_message_that_came_through_before_the_page_died_is_not_doubled() {
    let (ana, ben) = Person::two().await;
    let first = session::live(ana.options(&ben)).await;
    let id = session::send(&first, "once");
    until(&first, "sent", |seen| sent(seen, "once")).await;
    left_behind(&ana, &ben, &id, 1, "once", "").await;
    end_sessions_of(&ana, &ben);
    let again = session::live(ana.options(&ben)).await;
    until_stored_are(&ana, 0).await;
    until(&again, "it", |seen| sent(seen, "once") && seen.messages().len() == 1).await;
    again.close();
}

#[wasm_bindgen_test]
async fn a_refused_draft_comes_back_refused() {
    let (ana, ben) = Person::two().await;
    left_behind(&ana, &ben, &id(1), 1, "no", "code: 'refused', detail: 'not you'").await;
    let session = session::live(ana.options(&ben)).await;
    let shown = until(&session, "its bubble", |seen| seen.delivery("no").is_some()).await;
    assert_eq!(shown.delivery("no").as_deref(), Some("error"));
    let error = js::get(&shown.messages()[0], "error");
    assert_eq!((session::code(&error).as_deref(), js::text(&error, "detail").as_str()), (Some("refused"), "not you"));
    session.discard(js::get(&shown.messages()[0], "id"));
    until_stored_are(&ana, 0).await;
    assert!(seen(&session).messages().is_empty());
    session.close();
}

#[wasm_bindgen_test]
async fn what_several_dead_pages_left_is_sent_in_the_order_in_which_it_was_written() {
    let (ana, ben) = Person::two().await;
    let (tab, other_tab) = ("owner: 'tab'", "owner: 'other tab'");
    left_behind(&ana, &ben, &id(1), 1, "first", &format!("{tab}, writtenAt: 1000")).await;
    left_behind(&ana, &ben, &id(2), 2, "second", &format!("{other_tab}, writtenAt: 2000")).await;
    left_behind(&ana, &ben, &id(3), 3, "third", &format!("{tab}, writtenAt: 3000")).await;
    left_behind(&ana, &ben, &id(4), 4, "fourth", &format!("{other_tab}, writtenAt: 4000")).await;
    let session = session::live(ana.options(&ben)).await;
    let all = ["first", "second", "third", "fourth"];
    until(&session, "all sent", |seen| all.iter().all(|body| sent(seen, body))).await;
    assert_eq!(seen(&session).bodies(), all);
    session.close();
}

#[wasm_bindgen_test]
async fn what_of_a_record_can_be_sent_is_sent() {
    let (ana, ben) = Person::two().await;
    left_behind(&ana, &ben, &id(1), 1, "bad order", "order: -1").await;
    left_behind(&ana, &ben, &id(2).to_uppercase(), 2, "bad time", "writtenAt: 9e15, owner: {}").await;
    let session = session::live(ana.options(&ben)).await;
    until(&session, "both sent", |seen| sent(seen, "bad order") && sent(seen, "bad time")).await;
    until_stored_are(&ana, 0).await;
    session.close();
}

#[wasm_bindgen_test]
async fn what_of_a_record_can_be_shown_is_shown() {
    let (ana, ben) = Person::two().await;
    left_behind(&ana, &ben, "no uuid", 1, "bad id", "").await;
    let session = session::live(ana.options(&ben)).await;
    let shown = until(&session, "its bubble", |seen| seen.delivery("bad id").is_some()).await;
    assert_eq!(shown.delivery("bad id").as_deref(), Some("error"));
    until_stored(&ana, "one record", |records| records.len() == 1 && js::text(&records[0], "id") != "no uuid").await;
    session.retry(js::get(&shown.messages()[0], "id"));
    until(&session, "sent", |seen| sent(seen, "bad id")).await;
    until_stored_are(&ana, 0).await;
    session.close();
}

#[wasm_bindgen_test]
async fn a_record_without_anything_to_show_is_removed_and_told_of() {
    let (ana, ben) = Person::two().await;
    left_behind(&ana, &ben, &id(1), 1, "no thread", "thread: 'x'").await;
    left_behind(&ana, &ben, &id(2), 1, "of others", "thread: 'ben__cleo'").await;
    left_behind(&ana, &ben, &id(3), 1, "no text", "body: 7").await;
    left_behind(&ana, &ben, &id(4), 1, "sound", "").await;
    js::eval(
        "globalThis.realWarn = console.warn; globalThis.warned = []; console.warn = (...what) => warned.push(what)",
    )
    .await;
    let session = session::live(ana.options(&ben)).await;
    until(&session, "the sound one", |seen| sent(seen, "sound")).await;
    until_stored_are(&ana, 0).await;
    let warned = js::eval("console.warn = realWarn; return warned.map(([, {body}]) => body).sort().join()").await;
    assert_eq!(warned, "7,no thread,of others");
    assert_eq!(seen(&session).bodies(), ["sound"]);
    session.close();
}

#[wasm_bindgen_test]
async fn what_a_page_with_wrong_options_could_not_send_is_sent_by_a_right_one() {
    let (ana, ben) = Person::two().await;
    // As one did that had another account's cookies: the backend knows no thread of a person with themselves.
    let options = ana.options(&ben);
    js::set(&options, "ensureThread", js::function("throw {status: 400, code: 'invalid-input'}"));
    let wrong = session::new(options);
    let opening = wrong.open();
    session::send(&wrong, "not its fault");
    assert_eq!(session::rejection(opening).await, "invalid-options");
    until_stored_are(&ana, 1).await;
    // And as one left behind that is no more.
    left_behind(&ana, &ben, &id(1), 9, "nor its own", "code: 'invalid-options'").await;
    end_sessions_of(&ana, &ben);
    let right = session::live(ana.options(&ben)).await;
    until(&right, "sent", |seen| sent(seen, "not its fault") && sent(seen, "nor its own")).await;
    right.close();
}

#[wasm_bindgen_test]
async fn what_is_sent_with_another_accounts_token_waits_for_its_own() {
    let (ana, ben) = Person::two().await;
    let eve = Person::new().await;
    // Eve signed in in another tab: the cookies of this one are hers.
    let options = ana.options(&ben);
    let of_eve = format!("return {{access_token: '{}', expires_in: 3600}}", eve.token);
    js::set(&options, "getToken", js::function(&of_eve));
    left_behind(&ana, &ben, &id(1), 1, "left by another tab", "").await;
    let wrong = session::new(options);
    let opening = wrong.open();
    session::send(&wrong, "typed here");
    assert_eq!(session::rejection(opening).await, "auth-required");
    let records = until_stored_are(&ana, 2).await;
    assert!(records.iter().all(|record| js::get(record, "code").is_undefined()), "{records:?}");
    end_sessions_of(&ana, &ben);
    let right = session::live(ana.options(&ben)).await;
    until(&right, "sent", |seen| sent(seen, "left by another tab") && sent(seen, "typed here")).await;
    right.close();
}

#[wasm_bindgen_test]
async fn another_person_neither_sees_nor_sends_it_and_its_author_finds_it_again() {
    let (ana, ben) = Person::two().await;
    let of_ana = session::live(ana.options(&ben)).await;
    let faults = stack::faults(SENDING_FAILS).await;
    session::send(&of_ana, "for Ben");
    until_stored_are(&ana, 1).await;

    let cleo = Person::new().await;
    let of_cleo = session::live(cleo.options(&ben)).await;
    faults.end().await;
    session::send(&of_cleo, "mine");
    until(&of_cleo, "sent", |seen| sent(seen, "mine")).await;
    assert_eq!(seen(&of_cleo).bodies(), ["mine"]);
    assert_eq!(stored(&ana).await.len(), 1);

    let again = session::live(ana.options(&ben)).await;
    until(&again, "sent at last", |seen| sent(seen, "for Ben")).await;
    again.close();
}

#[wasm_bindgen_test]
async fn signing_out_leaves_nothing() {
    let (ana, ben) = Person::two().await;
    let session = session::live(ana.options(&ben)).await;
    let faults = stack::faults(SENDING_FAILS).await;
    session::send(&session, "never sent");
    until_stored_are(&ana, 1).await;
    session::send(&session, "nor this");
    JsFuture::from(sign_out()).await.unwrap();
    assert_eq!(seen(&session).status(), "closed");
    assert!(seen(&session).messages().is_empty());
    assert!(stored(&ana).await.is_empty());
    faults.end().await;

    let again = session::live(ana.options(&ben)).await;
    assert!(seen(&again).messages().is_empty());
    again.close();
}

#[wasm_bindgen_test]
async fn another_tab_that_signs_out_ends_this_one() {
    let (ana, ben) = Person::two().await;
    let session = session::live(ana.options(&ben)).await;
    js::eval("new BroadcastChannel('chopped-chat').postMessage(null)").await;
    until(&session, "closed", |seen| seen.status() == "closed").await;
    // And a stranger's word does nothing.
    let again = session::live(ana.options(&ben)).await;
    js::eval("new BroadcastChannel('chopped-chat').postMessage({project: 1}); new BroadcastChannel('chopped-chat').postMessage(7)").await;
    session::send(&again, "still here");
    until(&again, "sent", |seen| sent(seen, "still here")).await;
    again.close();
}

#[wasm_bindgen_test]
async fn another_tab_that_signs_out_ends_also_one_that_stores_nothing() {
    let (ana, ben) = Person::two().await;
    let options = ana.options(&ben);
    js::set(&options, "persistOutbox", false);
    let session = session::live(options).await;
    js::eval("new BroadcastChannel('chopped-chat').postMessage(null)").await;
    until(&session, "closed", |seen| seen.status() == "closed").await;
}

#[wasm_bindgen_test]
async fn what_was_on_its_way_to_storage_when_its_person_signed_out_stays_out_of_it() {
    let (ana, ben) = Person::two().await;
    // Storage can't begin before its lock is there, and that comes late.
    let locks = late_locks(300).await;
    let session = session::new(ana.options(&ben));
    let _ = session.open();
    session::send(&session, "never sent");
    JsFuture::from(sign_out()).await.unwrap();
    js::sleep(600).await;
    locks.end().await;
    assert!(stored(&ana).await.is_empty());
}

/// Locks that are granted, and say so `ms` later.
async fn late_locks(ms: u32) -> Patched {
    let by = format!(
        "value(name, ...rest) {{
            const granted = rest.pop();
            const late = async lock => {{ await new Promise(done => setTimeout(done, {ms})); return granted(lock) }};
            return globalThis.patched.value.call(this, name, ...rest, late)
         }}"
    );
    Patched::new("LockManager.prototype, 'request'", &by).await
}

#[wasm_bindgen_test]
async fn a_storage_that_is_closed_before_its_lock_is_granted_gives_it_back() {
    let (ana, ben) = Person::two().await;
    let locks = late_locks(300).await;
    let session = session::new(ana.options(&ben));
    let _ = session.open();
    js::sleep(50).await;
    end_sessions_of(&ana, &ben);
    js::sleep(600).await;
    locks.end().await;
    let held = format!(
        "return (await navigator.locks.query()).held.filter(({{name}}) => name.includes(' {} '))",
        ana.mongo_id
    );
    assert_eq!(js::get(&js::eval(&held).await, "length"), 0);
}

#[wasm_bindgen_test]
async fn a_connection_to_the_database_that_is_lost_is_made_anew() {
    let (ana, ben) = Person::two().await;
    let session = session::live(ana.options(&ben)).await;
    let faults = stack::faults(SENDING_FAILS).await;
    session::send(&session, "one");
    until_stored_are(&ana, 1).await;
    // As in WebKit: no connection that there is works again, and no event tells.
    js::eval(
        "globalThis.works = new WeakSet();
         globalThis.realOpen = IDBFactory.prototype.open;
         globalThis.realTransaction = IDBDatabase.prototype.transaction;
         IDBFactory.prototype.open = function (...what) {
            const request = realOpen.apply(this, what);
            request.addEventListener('success', () => works.add(request.result));
            return request
         };
         IDBDatabase.prototype.transaction = function (...what) {
            if (works.has(this)) return realTransaction.apply(this, what);
            throw new DOMException('Connection to Indexed Database server lost. Refresh the page to try again', 'UnknownError')
         }",
    )
    .await;
    session::send(&session, "two");
    until_stored_are(&ana, 2).await;
    until(&session, "well", persists).await;
    js::eval("IDBFactory.prototype.open = realOpen; IDBDatabase.prototype.transaction = realTransaction").await;
    faults.end().await;
    until(&session, "sent", |seen| sent(seen, "one") && sent(seen, "two")).await;
    until_stored_are(&ana, 0).await;
    session.close();
}

/// Sends while storage is as `patch` makes it: works, and says so. So does signing out.
async fn works_in_memory(place: &'static str, by: &str) {
    let (ana, ben) = Person::two().await;
    let patched = Patched::new(place, by).await;
    let session = session::live(ana.options(&ben)).await;
    session::send(&session, "anyway");
    until(&session, "sent, and said that it would not last", |seen| sent(seen, "anyway") && !persists(seen)).await;
    JsFuture::from(sign_out()).await.unwrap();
    assert_eq!(seen(&session).status(), "closed");
    patched.end().await;
}

#[wasm_bindgen_test]
async fn without_indexed_db_it_works_in_memory() {
    works_in_memory("globalThis, 'indexedDB'", "get: () => undefined").await;
}

#[wasm_bindgen_test]
async fn with_indexed_db_forbidden_it_works_in_memory() {
    let by = "get: () => { throw new DOMException('forbidden', 'SecurityError') }";
    works_in_memory("globalThis, 'indexedDB'", by).await;
}

#[wasm_bindgen_test]
async fn with_a_storage_that_never_answers_it_works_in_memory() {
    works_in_memory("IDBFactory.prototype, 'open'", "value: () => ({})").await;
}

#[wasm_bindgen_test]
async fn a_full_storage_is_told_of_until_there_is_room() {
    let (ana, ben) = Person::two().await;
    let session = session::live(ana.options(&ben)).await;
    let faults = stack::faults(SENDING_FAILS).await;
    let by = "value() { throw new DOMException('full', 'QuotaExceededError') }";
    let full = Patched::new("IDBObjectStore.prototype, 'put'", by).await;
    session::send(&session, "one");
    until(&session, "told", |seen| !persists(seen) && seen.messages().len() == 1).await;
    full.end().await;
    session::send(&session, "two");
    until(&session, "well again", persists).await;
    assert_eq!(stored(&ana).await.len(), 2, "what did not fit is written, too");
    faults.end().await;
    until(&session, "sent", |seen| sent(seen, "one") && sent(seen, "two")).await;
    session.close();
}

#[wasm_bindgen_test]
async fn a_database_that_is_deleted_under_us_is_made_again() {
    let (ana, ben) = Person::two().await;
    let session = session::live(ana.options(&ben)).await;
    let faults = stack::faults(SENDING_FAILS).await;
    session::send(&session, "one");
    until_stored_are(&ana, 1).await;
    js::eval(
        "await new Promise((done, failed) => {
            const request = indexedDB.deleteDatabase('chopped-chat');
            request.onsuccess = done;
            request.onerror = failed})",
    )
    .await;
    until(&session, "told", |seen| !persists(seen)).await;
    session::send(&session, "two");
    until_stored_are(&ana, 2).await;
    until(&session, "well again", persists).await;
    faults.end().await;
    until(&session, "sent", |seen| sent(seen, "one") && sent(seen, "two")).await;
    until_stored_are(&ana, 0).await;
    session.close();
}

#[wasm_bindgen_test]
async fn whoever_opts_out_stores_nothing() {
    let (ana, ben) = Person::two().await;
    let options = ana.options(&ben);
    js::set(&options, "persistOutbox", false);
    let session = session::live(options).await;
    assert!(!persists(&seen(&session)));
    let faults = stack::faults(SENDING_FAILS).await;
    session::send(&session, "in memory");
    js::sleep(200).await;
    assert!(stored(&ana).await.is_empty());
    faults.end().await;
    until(&session, "sent", |seen| sent(seen, "in memory")).await;
    session.close();
    let options = ana.options(&ben);
    js::set(&options, "persistOutbox", "yes");
    assert_eq!(session::code(&ChatSession::new(options).err().unwrap()).as_deref(), Some("invalid-options"));
}

#[wasm_bindgen_test]
async fn without_web_locks_a_page_takes_over_what_it_finds() {
    let (ana, ben) = Person::two().await;
    left_behind(&ana, &ben, &id(1), 1, "found", "").await;
    let patched = Patched::new("Navigator.prototype, 'locks'", "get: () => undefined").await;
    let session = session::live(ana.options(&ben)).await;
    until(&session, "sent", |seen| sent(seen, "found")).await;
    assert!(persists(&seen(&session)));
    session.close();
    patched.end().await;
}
