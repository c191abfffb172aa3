use std::time::Duration;

use http::{StatusCode, Uri, header};
use reqwest::redirect::Policy;

use super::fetch::{Document, Fetch, FetchError, Fetching};

/// The HTTP client of the feature `jwks-reqwest`: reqwest over rustls, with the platform's
/// certificates. It follows no redirect, asks no proxy and unpacks nothing.
#[derive(Clone, Debug)]
pub struct Reqwest(reqwest::Client);

impl Reqwest {
    /// A client.
    ///
    /// # Errors
    ///
    /// TLS that cannot be set up, for instance without certificates on this machine.
    pub fn new() -> Result<Self, FetchError> {
        let client = reqwest::Client::builder()
            .redirect(Policy::none())
            .referer(false)
            .no_proxy()
            .connect_timeout(Duration::from_secs(5))
            // A fetch each 10 minutes: a connection kept open would be dead by then.
            .pool_max_idle_per_host(0)
            .user_agent(concat!("tower-ws-auth/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(reqwest::Error::without_url)?;
        Ok(Self(client))
    }
}

impl Fetch for Reqwest {
    fn fetch(&self, url: &Uri, limit: usize) -> Fetching {
        let request = self
            .0
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
