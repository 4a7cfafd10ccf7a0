use crate::people::Person;
use crate::{js, session};
use chopped_chat::browser::{ChatSession, thread_id};
use wasm_bindgen::JsValue;
use wasm_bindgen_test::wasm_bindgen_test;

fn person(mongo_id: &str) -> Person {
    Person { mongo_id: mongo_id.into(), user_id: String::new(), token: String::new() }
}

fn complaint(options: JsValue) -> String {
    let error = ChatSession::new(options).err().expect("the options were taken");
    assert_eq!(session::code(&error).as_deref(), Some("invalid-options"));
    js::text(&error, "message")
}

#[wasm_bindgen_test]
fn a_missing_or_malformed_option_is_named() {
    let good = || person("a").options(&person("b"));
    assert!(ChatSession::new(good()).is_ok());
    for name in ["supabaseUrl", "supabaseAnonKey", "myMongoId", "otherMongoId", "getToken", "ensureThread"] {
        for value in
            [JsValue::UNDEFINED, JsValue::NULL, JsValue::from(7), JsValue::from(""), js_sys::Array::new().into()]
        {
            let options = good();
            js::set(&options, name, &value);
            let said = complaint(options);
            assert!(said.contains(name), "{name} = {value:?}: {said}");
        }
    }
    for (name, value) in [
        ("supabaseUrl", JsValue::from("example.com")),
        ("supabaseUrl", JsValue::from("ftp://example.com")),
        ("pageSize", JsValue::from(0)),
        ("pageSize", JsValue::from(201)),
        ("pageSize", JsValue::from(1.5)),
        ("pageSize", JsValue::from("50")),
        ("tokenUrl", JsValue::from("/beside-getToken")),
        ("ensureThreadUrl", JsValue::from("/beside-ensureThread")),
    ] {
        let options = good();
        js::set(&options, name, &value);
        let said = complaint(options);
        assert!(said.contains(name), "{name} = {value:?}: {said}");
    }
    for (me, other) in [("a", "a"), ("a__b", "c"), ("_a", "b")] {
        assert!(complaint(person(me).options(&person(other))).contains("Mongo id"));
    }
    for options in [JsValue::UNDEFINED, JsValue::NULL, JsValue::from("options")] {
        assert!(complaint(options).contains("options must be an object"));
    }
}

#[wasm_bindgen_test]
fn a_thread_id_is_the_same_for_both() {
    assert_eq!(thread_id("b".into(), "a".into()).unwrap(), "a__b");
    assert_eq!(thread_id("a".into(), "b".into()).unwrap(), "a__b");
    for (a, b) in [(JsValue::from("a"), JsValue::from("a")), (JsValue::from(1), JsValue::from("a"))] {
        assert_eq!(session::code(&thread_id(a, b).unwrap_err()).as_deref(), Some("invalid-options"));
    }
}
