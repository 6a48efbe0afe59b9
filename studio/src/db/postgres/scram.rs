//! Proving that one knows a password without showing it: SCRAM-SHA-256 (RFC 5802, RFC 7677), as PostgreSQL uses it.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use ring::{
    digest, hmac, pbkdf2,
    rand::{SecureRandom as _, SystemRandom},
};
use std::num::NonZeroU32;
use unicode_normalization::UnicodeNormalization as _;

/// The name of the method.
pub const NAME: &str = "SCRAM-SHA-256";
/// Most rounds that a server may ask for: a second of work, some hundred times what servers usually ask.
const ROUNDS_MAX: u32 = 2_000_000;
/// "No channel is bound": the header of the first message, and its base64 in the last.
const HEADER: &str = "n,,";

/// The client's side of one exchange.
pub struct Scram {
    password: String,
    nonce: String,
    user: String,
    server: Option<[u8; 32]>,
}

impl Scram {
    /// An exchange about a password. The server knows the user already; its name stays empty here.
    pub fn new(password: &str) -> Result<Self, String> {
        let mut bytes = [0; 18];
        SystemRandom::new().fill(&mut bytes).map_err(|_| "this machine has no randomness")?;
        Ok(Self::with_nonce(password, "", BASE64_STANDARD.encode(bytes)))
    }

    fn with_nonce(password: &str, user: &str, nonce: String) -> Self {
        Self { password: prepared(password), nonce, user: user.to_owned(), server: None }
    }

    fn bare(&self) -> String {
        format!("n={},r={}", self.user, self.nonce)
    }

    /// The first message.
    pub fn first(&self) -> String {
        format!("{HEADER}{}", self.bare())
    }

    /// The answer to the server's first message.
    pub fn answer(&mut self, challenge: &str) -> Result<String, String> {
        let (mut nonce, mut salt, mut rounds) = (None, None, None);
        for field in challenge.split(',') {
            match field.split_once('=') {
                Some(("r", value)) => nonce = Some(value),
                Some(("s", value)) => salt = BASE64_STANDARD.decode(value).ok(),
                Some(("i", value)) => rounds = value.parse::<NonZeroU32>().ok(),
                _ => return Err("the server's challenge is none".into()),
            }
        }
        let (Some(nonce), Some(salt), Some(rounds)) = (nonce, salt, rounds) else {
            return Err("the server's challenge is not whole".into());
        };
        if !nonce.starts_with(&self.nonce) || nonce.len() <= self.nonce.len() {
            return Err("the server's challenge is not for this exchange".into());
        }
        if rounds.get() > ROUNDS_MAX {
            return Err(format!("the server asks for {rounds} rounds"));
        }
        let mut salted = [0; 32];
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, rounds, &salt, self.password.as_bytes(), &mut salted);
        let last = format!("c={},r={nonce}", BASE64_STANDARD.encode(HEADER));
        let exchange = format!("{},{challenge},{last}", self.bare());
        let client = keyed(&salted, b"Client Key");
        let stored = digest::digest(&digest::SHA256, &client);
        let signature = keyed(stored.as_ref(), exchange.as_bytes());
        let proof: Vec<u8> = client.iter().zip(signature).map(|(key, mask)| key ^ mask).collect();
        self.server = Some(keyed(&keyed(&salted, b"Server Key"), exchange.as_bytes()));
        Ok(format!("{last},p={}", BASE64_STANDARD.encode(proof)))
    }

    /// Whether the server knows the password too, by its last message.
    pub fn check(&self, last: &str) -> Result<(), String> {
        let shown = last.strip_prefix("v=").and_then(|text| BASE64_STANDARD.decode(text).ok());
        // What is compared is no secret: it proves something to this side only, and once.
        match (shown, &self.server) {
            (Some(shown), Some(expected)) if shown == expected => Ok(()),
            _ => Err("the server does not know the password itself".into()),
        }
    }
}

/// The password as both sides take it: SASLprep's mapping of spaces and its normal form. What it forbids is left as it is, which is what
/// the server does too.
fn prepared(password: &str) -> String {
    if password.is_ascii() {
        return password.to_owned();
    }
    password.chars().map(|letter| if letter.is_whitespace() { ' ' } else { letter }).nfkc().collect()
}

fn keyed(key: &[u8], text: &[u8]) -> [u8; 32] {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text);
    let mut bytes = [0; 32];
    bytes.iter_mut().zip(tag.as_ref()).for_each(|(to, from)| *to = *from);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_7677_section_3() {
        let mut scram = Scram::with_nonce("pencil", "user", "rOprNGfwEbeRWgbNEkqO".into());
        assert_eq!(scram.first(), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        let challenge = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
        let answer = scram.answer(challenge).unwrap();
        let nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        assert_eq!(answer, format!("c=biws,r={nonce},p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="));
        scram.check("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=").unwrap();
        scram.check("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G5=").unwrap_err();
        scram.check("e=other-error").unwrap_err();
    }

    #[test]
    fn a_server_that_answers_another_exchange_or_asks_for_too_much_is_refused() {
        let mut scram = Scram::new("pencil").unwrap();
        scram.answer("r=other,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096").unwrap_err();
        let nonce = scram.nonce.clone();
        scram.answer(&format!("r={nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096")).unwrap_err();
        scram.answer(&format!("r={nonce}x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4000000000")).unwrap_err();
        scram.answer(&format!("r={nonce}x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=0")).unwrap_err();
        scram.answer(&format!("r={nonce}x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096")).unwrap();
        assert_ne!(Scram::new("pencil").unwrap().nonce, nonce);
    }
}
