use std::time::Duration;

use http::{StatusCode, Uri, header};
use reqwest::ClientBuilder;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;

use super::address::public_addresses;
use super::fetch::{Document, Fetch, FetchError, FetchFuture};

/// The HTTP client of the feature `jwks-reqwest`: reqwest over rustls, with the platform's
/// certificates. It follows no redirect, asks no proxy and unpacks nothing. For a host that only an
/// issuer's document names it connects to public addresses alone.
#[derive(Clone, Debug)]
pub struct Reqwest {
    any: reqwest::Client,
    public: reqwest::Client,
}

impl Reqwest {
    /// A client.
    ///
    /// # Errors
    ///
    /// TLS that cannot be set up, for instance without certificates on this machine.
    pub fn new() -> Result<Self, FetchError> {
        let client = |builder: ClientBuilder| builder.build().map_err(reqwest::Error::without_url);
        Ok(Self {
            any: client(Self::builder())?,
            public: client(Self::builder().dns_resolver(PublicOnly))?,
        })
    }

    fn builder() -> ClientBuilder {
        reqwest::Client::builder()
            .redirect(Policy::none())
            .referer(false)
            .no_proxy()
            .connect_timeout(Duration::from_secs(5))
            // A fetch each 10 minutes: a connection kept open would be dead by then.
            .pool_max_idle_per_host(0)
            .user_agent(concat!("tower-ws-auth/", env!("CARGO_PKG_VERSION")))
    }
}

/// Refuses a name unless all of its addresses are public, and lets reqwest connect to those alone.
struct PublicOnly;

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            // Port 0: reqwest puts the URL's own in its place.
            let lookup = move || public_addresses(name.as_str(), 0);
            let found = tokio::task::spawn_blocking(lookup).await??;
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

impl Fetch for Reqwest {
    fn fetch(&self, url: &Uri, limit: usize) -> FetchFuture {
        fetch(&self.any, url, limit)
    }

    fn fetch_public(&self, url: &Uri, limit: usize) -> FetchFuture {
        fetch(&self.public, url, limit)
    }
}

fn fetch(client: &reqwest::Client, url: &Uri, limit: usize) -> FetchFuture {
    let request = client
        .get(url.to_string())
        .header(header::ACCEPT, "application/json, application/jwk-set+json");
    Box::pin(async move {
        get(request, limit)
            .await
            .map_err(|error| match error.downcast::<reqwest::Error>() {
                // A query may hold somebody's API key.
                Ok(error) => error.without_url().into(),
                Err(error) => error,
            })
    })
}

async fn get(request: reqwest::RequestBuilder, limit: usize) -> Result<Document, FetchError> {
    let mut response = request.send().await?;
    match response.status() {
        StatusCode::OK => {}
        status if status.is_redirection() => {
            return Err("the answer is a redirect: name the URL that it leads to".into());
        }
        status => return Err(format!("the answer is {status}").into()),
    }
    let too_large = "the answer is larger than allowed";
    if response
        .content_length()
        .is_some_and(|length| length > limit as u64)
    {
        return Err(too_large.into());
    }
    let cache = response.headers().get(header::CACHE_CONTROL);
    let cache = cache
        .and_then(|field| field.to_str().ok())
        .map(str::to_owned);
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > limit {
            return Err(too_large.into());
        }
        body.extend_from_slice(&chunk);
    }
    let document = Document::new(body);
    Ok(match cache {
        Some(field) => document.cache_control(&field),
        None => document,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_that_leads_to_this_machine_is_connected_to_only_if_the_application_named_it() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let url: Uri = format!("http://localhost:{port}/jwks").parse().unwrap();
        let client = Reqwest::new().unwrap();
        // It would wait for an answer if it connected.
        let refused = client.fetch_public(&url, 1000);
        let refused = tokio::time::timeout(Duration::from_secs(10), refused).await;
        assert!(refused.unwrap().is_err());
        let none = listener.accept().unwrap_err();
        assert_eq!(none.kind(), std::io::ErrorKind::WouldBlock);

        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        let fetching = tokio::spawn(client.fetch(&url, 1000));
        let connection = listener.accept().await.unwrap();
        // The fetch fails when its connection ends.
        drop((connection, listener));
        assert!(fetching.await.unwrap().is_err());
    }
}
