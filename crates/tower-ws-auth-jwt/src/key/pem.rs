//! One block of PEM (RFC 7468).
//!
//! By hand, because more than one block is refused, and each mistake gets advice of its own.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::KeyError;
use crate::key::der::{self, Private};
use crate::key::public::Public;

/// The one block of a PEM text (RFC 7468); what stands around it is commentary.
pub(crate) struct Pem<'a> {
    label: &'a str,
    der: Zeroizing<Vec<u8>>,
}

impl<'a> Pem<'a> {
    pub(crate) fn read(text: &'a [u8]) -> Result<Self, KeyError> {
        let text = str::from_utf8(text).map_err(|_| KeyError::Pem("it is not text"))?;
        let (_, rest) = text.split_once(BEGIN).ok_or(KeyError::Pem(
            "there is no line `-----BEGIN …-----`: is it DER, or only the base64 of it?",
        ))?;
        let (label, rest) = rest.split_once("-----").ok_or(UNFINISHED)?;
        let (body, rest) = rest.split_once("-----END ").ok_or(UNFINISHED)?;
        let rest = rest.strip_prefix(label).ok_or(UNFINISHED)?;
        if !rest.starts_with("-----") {
            return Err(UNFINISHED);
        }
        if rest.contains(BEGIN) {
            return Err(KeyError::Pem(
                "there is more than one block: leave only the key",
            ));
        }
        let body = Zeroizing::new(
            body.bytes()
                .filter(|byte| !byte.is_ascii_whitespace())
                .collect::<Vec<_>>(),
        );
        let der = STANDARD.decode(&*body).map_err(|_| {
            KeyError::Pem("it is not base64: an encrypted key has to be decrypted first")
        })?;
        let der = Zeroizing::new(der);
        Ok(Self { label, der })
    }

    pub(crate) fn public(&self) -> Result<Public, KeyError> {
        let key = match self.label {
            "PUBLIC KEY" => der::spki(&self.der),
            "RSA PUBLIC KEY" => der::rsa_public_key(&self.der),
            "PRIVATE KEY" | "RSA PRIVATE KEY" | "EC PRIVATE KEY" | "ENCRYPTED PRIVATE KEY" => {
                return Err(KeyError::Pem(
                    "it is a private key: a verifier gets the public one (`openssl pkey -pubout`)",
                ));
            }
            "CERTIFICATE" => {
                return Err(KeyError::Pem(
                    "it is a certificate, which nobody checks here: take the key out of it \
                     (`openssl x509 -pubkey -noout`)",
                ));
            }
            _ => {
                return Err(KeyError::Pem(
                    "its label is neither `PUBLIC KEY` nor `RSA PUBLIC KEY`",
                ));
            }
        };
        key.ok_or(KeyError::Pem(
            "its content is not an RSA, P-256, P-384, P-521 or Ed25519 public key",
        ))
    }

    pub(crate) fn private(&self) -> Result<Private<'_>, KeyError> {
        let key = match self.label {
            "PRIVATE KEY" => der::pkcs8(&self.der),
            "RSA PRIVATE KEY" => der::rsa_private_key(&self.der),
            "EC PRIVATE KEY" | "EC PARAMETERS" | "ENCRYPTED PRIVATE KEY" => {
                return Err(KeyError::Pem(
                    "it is not plain PKCS#8: convert it (`openssl pkcs8 -topk8 -nocrypt`)",
                ));
            }
            "PUBLIC KEY" | "RSA PUBLIC KEY" => {
                return Err(KeyError::Pem(
                    "it is a public key: signing takes the private one",
                ));
            }
            _ => {
                return Err(KeyError::Pem(
                    "its label is neither `PRIVATE KEY` nor `RSA PRIVATE KEY`",
                ));
            }
        };
        key.ok_or(KeyError::Pem(
            "its content is not an RSA, P-256, P-384, P-521 or Ed25519 private key",
        ))
    }
}

const BEGIN: &str = "-----BEGIN ";

const UNFINISHED: KeyError = KeyError::Pem("the block has no end: was it copied completely?");

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether it was read.
    fn agree(text: &str) -> bool {
        let theirs = pem::parse_many(text).unwrap_or_default();
        let Ok(ours) = Pem::read(text.as_bytes()) else {
            return false;
        };
        // One dash too many before BEGIN is commentary to us, and to the crate no block.
        assert!(theirs.len() <= 1, "several blocks: {text}");
        let Some(theirs) = theirs.first() else {
            return false;
        };
        assert_eq!((ours.label, &**ours.der), (theirs.tag(), theirs.contents()));
        true
    }

    #[test]
    fn a_block_that_is_read_is_the_one_that_the_crate_pem_reads() {
        let (mut read, mut refused) = (0, 0);
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data");
        for file in std::fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            if path.extension().is_none_or(|it| it != "pem") {
                continue;
            }
            let text = std::fs::read_to_string(path).unwrap();
            assert!(agree(&text) && agree(&format!("Key:\n{}", text.replace('\n', "\r\n"))));
            for at in 0..text.len() {
                for changed in [
                    text[..at].to_owned(),
                    text[at..].to_owned(),
                    format!("{}{}", &text[..at], &text[at + 1..]),
                    format!("{}!{}", &text[..at], &text[at..]),
                    format!("{}{text}", &text[..at]),
                ] {
                    *(if agree(&changed) {
                        &mut read
                    } else {
                        &mut refused
                    }) += 1;
                }
            }
        }
        assert!(read > 100 && refused > 1_000, "{read} {refused}");
    }
}
