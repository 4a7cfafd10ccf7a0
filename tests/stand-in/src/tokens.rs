//! JSON Web Tokens: what Auth signs and what REST and Realtime accept.
//!
//! Two keys, as in a Supabase project that moved to signing keys: ES256 for the tokens of users, published as a JWKS,
//! and the legacy HS256 secret for the anon and service_role keys. Both are accepted everywhere. The ES256 key is
//! derived from the secret, so that a session in a browser outlives a restart.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use p256::ecdsa::{
    Signature, SigningKey, VerifyingKey,
    signature::{Signer, Verifier},
};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

pub type Claims = Map<String, Value>;

/// The anon and service_role keys start here (2025-01-01) and last ten years: constant, so that the same secret gives
/// the same keys at every start.
const KEYS_ISSUED_AT: u64 = 1_735_689_600;
const KEYS_LIFETIME: u64 = 10 * 365 * 24 * 3600;

/// Why a token is refused. Each service words it in its own way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenError {
    Malformed,
    /// Well signed, but its claims are no JSON object.
    Claims,
    /// The number of dot-separated parts, where it is not three.
    Parts(usize),
    Signature,
    /// Seconds since it ended.
    Expired(u64),
    NotYetValid,
    IssuedInFuture,
    /// A time that is no number, by its name.
    NotANumber(&'static str),
}

pub struct Tokens {
    secret: Vec<u8>,
    signing: SigningKey,
    verifying: VerifyingKey,
    key_id: String,
}

impl Tokens {
    pub fn new(secret: &str) -> anyhow::Result<Self> {
        let seed = Sha256::digest(format!("supabase-local ES256 {secret}"));
        let signing = SigningKey::from_slice(&seed)
            .map_err(|_| anyhow::anyhow!("this --jwt-secret gives no usable ES256 key: choose another"))?;
        let verifying = *signing.verifying_key();
        let point = verifying.to_sec1_point(false);
        let mut id = [0; 16];
        id.copy_from_slice(&Sha256::digest(point.as_bytes())[..16]);
        Ok(Self {
            secret: secret.as_bytes().to_vec(),
            signing,
            verifying,
            key_id: uuid::Builder::from_random_bytes(id).into_uuid().to_string(),
        })
    }

    /// The legacy key of a role, `anon` or `service_role`.
    pub fn legacy_key(&self, role: &str) -> String {
        let claims = json!({
            "iss": "supabase-local",
            "ref": "local",
            "role": role,
            "iat": KEYS_ISSUED_AT,
            "exp": KEYS_ISSUED_AT + KEYS_LIFETIME,
        });
        self.sign_hs256(&claims)
    }

    /// Not a JWT: an opaque name that the gateway swaps for the anon key, like Supabase's new keys.
    pub fn publishable_key(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(b"publishable");
        hash.update(&self.secret);
        format!("sb_publishable_{}", &URL_SAFE_NO_PAD.encode(hash.finalize())[..31])
    }

    pub fn sign_hs256(&self, claims: &Value) -> String {
        let body = unsigned(&json!({"alg": "HS256", "typ": "JWT"}), claims);
        let signature = self.mac(&body).finalize().into_bytes();
        format!("{body}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    pub fn sign(&self, claims: &Value) -> String {
        let header = json!({"alg": "ES256", "kid": self.key_id, "typ": "JWT"});
        let body = unsigned(&header, claims);
        let signature: Signature = self.signing.sign(body.as_bytes());
        format!("{body}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()))
    }

    /// The public key set of `/auth/v1/.well-known/jwks.json`.
    pub fn jwks(&self) -> Value {
        let point = self.verifying.to_sec1_point(false);
        let bytes = point.as_bytes();
        json!({"keys": [{
            "alg": "ES256",
            "crv": "P-256",
            "ext": true,
            "key_ops": ["verify"],
            "kid": self.key_id,
            "kty": "EC",
            "use": "sig",
            "x": URL_SAFE_NO_PAD.encode(&bytes[1..33]),
            "y": URL_SAFE_NO_PAD.encode(&bytes[33..65]),
        }]})
    }

    /// Checks signature and times; `leeway` in seconds is 30 for REST and 0 for Realtime (protocol.md 4.6). The claims
    /// `role` and `exp` are for the caller to insist on.
    pub fn verify(&self, token: &str, leeway: u64) -> Result<Claims, TokenError> {
        let parts: Vec<&str> = token.split('.').collect();
        let [header, payload, signature] = parts[..] else {
            return Err(TokenError::Parts(parts.len()));
        };
        let header_claims = decode(header)?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| TokenError::Malformed)?;
        let body = &token[..header.len() + 1 + payload.len()];
        let good = match header_claims.get("alg").and_then(Value::as_str) {
            Some("HS256") => self.mac(body).verify_slice(&signature).is_ok(),
            Some("ES256") => {
                Signature::from_slice(&signature).is_ok_and(|s| self.verifying.verify(body.as_bytes(), &s).is_ok())
            }
            _ => false,
        };
        if !good {
            return Err(TokenError::Signature);
        }
        let claims = decode(payload).map_err(|_| TokenError::Claims)?;
        let (now, tolerance) = (now() as f64, leeway as f64);
        let time = |name: &'static str| match claims.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => value.as_f64().map(Some).ok_or(TokenError::NotANumber(name)),
        };
        match (time("exp")?, time("nbf")?, time("iat")?) {
            (Some(exp), _, _) if exp + tolerance <= now => Err(TokenError::Expired((now - exp) as u64)),
            (_, Some(nbf), _) if nbf > now + tolerance => Err(TokenError::NotYetValid),
            (_, _, Some(iat)) if leeway > 0 && iat > now + tolerance => Err(TokenError::IssuedInFuture),
            _ => Ok(claims),
        }
    }

    fn mac(&self, body: &str) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.secret)
            .unwrap_or_else(|_| unreachable!("HMAC takes a key of any length"));
        mac.update(body.as_bytes());
        mac
    }
}

/// Whole seconds since 1970.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}

fn unsigned(header: &Value, claims: &Value) -> String {
    format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(claims.to_string()))
}

fn decode(part: &str) -> Result<Claims, TokenError> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::Malformed)?;
    serde_json::from_slice(&bytes).map_err(|_| TokenError::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens() -> Tokens {
        Tokens::new("a secret of the tests, long enough").unwrap()
    }

    #[test]
    fn both_keys_sign_what_verify_accepts() {
        let tokens = tokens();
        let claims = json!({"sub": "u", "exp": now() + 60});
        for token in [tokens.sign(&claims), tokens.sign_hs256(&claims)] {
            assert_eq!(tokens.verify(&token, 0).unwrap()["sub"], "u");
        }
    }

    #[test]
    fn a_foreign_or_altered_signature_is_refused() {
        let claims = json!({"sub": "u", "exp": now() + 60});
        let foreign = Tokens::new("another secret, just as long as it").unwrap();
        for token in [foreign.sign(&claims), foreign.sign_hs256(&claims)] {
            assert_eq!(tokens().verify(&token, 0), Err(TokenError::Signature));
        }
        let none = unsigned(&json!({"alg": "none"}), &claims) + ".";
        assert_eq!(tokens().verify(&none, 0), Err(TokenError::Signature));
    }

    #[test]
    fn leeway_is_what_parts_rest_from_realtime() {
        let tokens = tokens();
        let late = tokens.sign(&json!({"exp": now() - 10}));
        assert_eq!(tokens.verify(&late, 0), Err(TokenError::Expired(10)));
        assert!(tokens.verify(&late, 30).is_ok());
        assert!(matches!(tokens.verify(&tokens.sign(&json!({"exp": -1.5})), 30), Err(TokenError::Expired(_))));
        let text = tokens.sign(&json!({"exp": "9999999999"}));
        assert_eq!(tokens.verify(&text, 30), Err(TokenError::NotANumber("exp")));
        assert_eq!(tokens.verify("nonsense", 0), Err(TokenError::Parts(1)));
        assert_eq!(tokens.verify("a.b.c", 0), Err(TokenError::Malformed));
    }

    #[test]
    fn the_same_secret_gives_the_same_keys() {
        assert_eq!(tokens().legacy_key("anon"), tokens().legacy_key("anon"));
        assert_eq!(tokens().jwks(), tokens().jwks());
    }
}
