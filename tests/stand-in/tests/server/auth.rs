//! Auth: sessions end, tokens serve once, errors are GoTrue's.

use serde_json::json;

use super::support::*;

#[test]
fn a_refresh_token_serves_once_and_shortly_again() {
    run(async {
        let person = person().await;
        let refresh = |token: &str| {
            ask("POST", "/auth/v1/token?grant_type=refresh_token").json(&json!({"refresh_token": token})).answer()
        };
        let first = refresh(&person.refresh).await;
        assert_eq!(first.status, 200);
        let again = refresh(&person.refresh).await;
        assert_eq!(first.body["refresh_token"], again.body["refresh_token"], "two tabs at once");
        let unknown = refresh("nonsense").await;
        assert_eq!((unknown.status, &unknown.body["error_code"]), (400, &json!("refresh_token_not_found")));

        // The grandparent, after the reuse interval: the whole session is void.
        let next = first.body["refresh_token"].as_str().unwrap();
        let last = refresh(next).await;
        let (client, connection) = tokio_postgres::connect(
            &stack().endpoints.database_url.replace("postgres:postgres@", "supabase_admin:postgres@"),
            tokio_postgres::NoTls,
        )
        .await
        .unwrap();
        tokio::spawn(connection);
        let sql =
            "update auth.refresh_tokens set updated_at = now() - interval '1 minute' where user_id = $1::text::uuid";
        client.execute(sql, &[&person.id]).await.unwrap();
        let stolen = refresh(&person.refresh).await;
        assert_eq!((stolen.status, &stolen.body["error_code"]), (400, &json!("refresh_token_already_used")));
        let last = refresh(last.body["refresh_token"].as_str().unwrap()).await;
        assert_eq!(last.status, 400);
    });
}

#[test]
fn a_user_reads_changes_and_leaves() {
    run(async {
        let person = person().await;
        let user = ask("GET", "/auth/v1/user").bearer(&person.token).answer().await;
        assert_eq!((user.status, &user.body["email"]), (200, &json!(person.email)));
        assert_eq!(user.body["app_metadata"], json!({"k": 1, "provider": "email", "providers": ["email"]}));
        let change = json!({"data": {"name": "Ana"}, "app_metadata": {"k": 2}});
        let user = ask("PUT", "/auth/v1/user").bearer(&person.token).json(&change).answer().await;
        assert_eq!(
            (&user.body["user_metadata"], &user.body["app_metadata"]["k"]),
            (&json!({"name": "Ana"}), &json!(1))
        );
        let left = ask("POST", "/auth/v1/logout").bearer(&person.token).answer().await;
        assert_eq!(left.status, 204);
        let user = ask("GET", "/auth/v1/user").bearer(&person.token).answer().await;
        assert_eq!((user.status, &user.body["error_code"]), (403, &json!("session_not_found")));
    });
}

#[test]
fn errors_are_gotrues() {
    run(async {
        let person = person().await;
        let wrong = json!({"email": person.email, "password": "wrong"});
        let old = ask("POST", "/auth/v1/token?grant_type=password").json(&wrong).answer().await;
        assert_eq!(
            old.body,
            json!({"code": 400, "error_code": "invalid_credentials", "msg": "Invalid login credentials"})
        );
        let new = ask("POST", "/auth/v1/token?grant_type=password")
            .header("x-supabase-api-version", "2024-01-01")
            .json(&wrong)
            .answer()
            .await;
        assert_eq!(new.body, json!({"code": "invalid_credentials", "message": "Invalid login credentials"}));
        let unsigned = ask("GET", "/auth/v1/user").answer().await;
        assert_eq!((unsigned.status, &unsigned.body["error_code"]), (401, &json!("no_authorization")));
        let expired = token(&person, json!({"expires_in": -5})).await;
        let expired = ask("GET", "/auth/v1/user").bearer(&expired).answer().await;
        assert_eq!((expired.status, &expired.body["error_code"]), (403, &json!("bad_jwt")));
        let admin = ask("GET", "/auth/v1/admin/users").bearer(&person.token).answer().await;
        assert_eq!((admin.status, &admin.body["error_code"]), (403, &json!("not_admin")));
        let twice = json!({"email": person.email.to_uppercase(), "password": "x"});
        let twice = ask("POST", "/auth/v1/admin/users").service().json(&twice).answer().await;
        assert_eq!((twice.status, &twice.body["error_code"]), (422, &json!("email_exists")));
        let signup = ask("POST", "/auth/v1/signup").json(&json!({})).answer().await;
        assert_eq!(signup.status, 501);
    });
}

#[test]
fn the_key_set_verifies_what_it_signs() {
    run(async {
        let set = ask("GET", "/auth/v1/.well-known/jwks.json").header("apikey", "").answer().await;
        let key = &set.body["keys"][0];
        assert_eq!((&key["kty"], &key["alg"], &key["crv"]), (&json!("EC"), &json!("ES256"), &json!("P-256")));
        assert!(key["kid"].is_string() && key["x"].is_string() && key["y"].is_string());
        assert!(key["d"].is_null(), "the private part stays here");
    });
}
