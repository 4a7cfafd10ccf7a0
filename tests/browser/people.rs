//! Signed-in people.

use crate::{js, stack};
use wasm_bindgen::JsValue;

/// A person with an account and a linked Mongo id, made for one test.
pub struct Person {
    pub mongo_id: String,
    pub user_id: String,
    pub token: String,
}

fn random_hex() -> String {
    let digit = || char::from_digit((js_sys::Math::random() * 16.0) as u32, 16).unwrap();
    (0..24).map(|_| digit()).collect()
}

impl Person {
    pub async fn new() -> Person {
        let mongo_id = random_hex();
        let account = format!(
            r#"{{"email": "{mongo_id}@example.com", "password": "chopped-test", "email_confirm": true,
                "app_metadata": {{"mongoUserId": "{mongo_id}"}}}}"#
        );
        let user = stack::administer("/auth/v1/admin/users", &account).await;
        let user_id = js::text(&user, "id");
        let link = format!(r#"{{"_mongo_id": "{mongo_id}", "_supabase_id": "{user_id}"}}"#);
        stack::administer("/rest/v1/rpc/link_chat_identity", &link).await;
        let sign_in = format!(r#"{{"email": "{mongo_id}@example.com", "password": "chopped-test"}}"#);
        let session = stack::post("/auth/v1/token?grant_type=password", &stack::anon_key(), &sign_in).await;
        Person { mongo_id, user_id, token: js::text(&session, "access_token") }
    }

    /// Two people.
    pub async fn two() -> (Person, Person) {
        (Person::new().await, Person::new().await)
    }

    pub fn thread(&self, other: &Person) -> String {
        chopped_chat::ThreadId::new(&self.mongo_id, &other.mongo_id).unwrap().as_str().to_owned()
    }

    /// Options of a session with `other`, with callbacks in the place of a backend.
    pub fn options(&self, other: &Person) -> JsValue {
        let options = js_sys::Object::new().into();
        js::set(&options, "supabaseUrl", stack::url());
        js::set(&options, "supabaseAnonKey", stack::anon_key());
        js::set(&options, "myMongoId", &self.mongo_id);
        js::set(&options, "otherMongoId", &other.mongo_id);
        let token = format!("return {{access_token: '{}', expires_in: 3600}}", self.token);
        js::set(&options, "getToken", js::function(&token));
        let pair = format!("JSON.stringify({{_mongo_id_1: '{}', _mongo_id_2: other}})", self.mongo_id);
        let ensure = stack::post_js("/rest/v1/rpc/ensure_chat_thread", &stack::service_role_key(), &pair);
        let ensure = format!("return (async () => {{ {ensure} }})()");
        js::set(&options, "ensureThread", js_sys::Function::new_with_args("other", &ensure));
        options
    }

    /// Makes the thread, as the backend would.
    pub async fn ensure(&self, other: &Person) {
        let pair = format!(r#"{{"_mongo_id_1": "{}", "_mongo_id_2": "{}"}}"#, self.mongo_id, other.mongo_id);
        stack::administer("/rest/v1/rpc/ensure_chat_thread", &pair).await;
    }

    /// Sends as another device would.
    pub async fn writes(&self, other: &Person, body: &str) {
        let message = format!(
            r#"{{"_thread_id": "{}", "_sender_mongo_id": "{}", "_recipient_mongo_id": "{}", "_body": "{body}"}}"#,
            self.thread(other),
            self.mongo_id,
            other.mongo_id
        );
        stack::post("/rest/v1/rpc/insert_chat_message", &self.token, &message).await;
    }
}
