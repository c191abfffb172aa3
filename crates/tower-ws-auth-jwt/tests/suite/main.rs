//! The rules of the crate, as sentences under the RFCs that demand them.

#[cfg(test)]
mod claims;
#[cfg(test)]
mod config;
#[cfg(test)]
mod edges;
#[cfg(test)]
mod encoder;
#[cfg(test)]
mod header;
#[cfg(test)]
mod inherited;
#[cfg(test)]
mod interop;
#[cfg(test)]
mod jwk;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod layer;
#[cfg(test)]
mod secrets;
#[cfg(test)]
mod shown;
#[cfg(feature = "single-use")]
#[cfg(test)]
mod single_use;
#[cfg(test)]
mod support;
