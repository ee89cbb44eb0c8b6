//! HTTP in and out: reads a request in full, hands it over, writes the answer.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request as HttpRequest, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;

use super::answer::{Answer, standard_headers};
use super::refused::Refused;
use super::request::{Request, pairs};
use crate::app::App;

/// The largest body that is read.
const BODY_LIMIT: usize = 8 << 20;

/// The API as an axum router.
pub fn router(app: Arc<App>) -> Router {
    Router::new().fallback(handle).with_state(app)
}

async fn handle(State(app): State<Arc<App>>, http: HttpRequest) -> Response {
    let request_id = uuid::Uuid::new_v4().to_string();
    let correlation = header_text(&http, "x-ms-correlation-request-id");
    let client_request = header_text(&http, "x-ms-return-client-request-id")
        .filter(|wanted| wanted.eq_ignore_ascii_case("true"))
        .and_then(|_| header_text(&http, "x-ms-client-request-id"));
    let started = std::time::Instant::now();
    let (method, path) = (http.method().clone(), http.uri().path().to_owned());
    let is_head = method == axum::http::Method::HEAD;
    let (answer, is_read) = match read(http, request_id.clone()).await {
        Ok(request) => (super::answer(&app, &request).await, true),
        Err(refused) => (refused.into(), false),
    };
    tracing::debug!(%method, path, status = answer.status, took_us = started.elapsed().as_micros(), "answered");
    let mut headers = standard_headers(&request_id, correlation.as_deref());
    if let Some(id) = client_request {
        headers.push(("x-ms-client-request-id", id));
    }
    let mut response = write(answer, headers, is_head);
    if !is_read {
        // What is left of the request is in the way of the next one: the client has to know that there will be none.
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

fn header_text(http: &HttpRequest, name: &str) -> Option<String> {
    http.headers().get(name)?.to_str().ok().map(str::to_owned)
}

async fn read(http: HttpRequest, id: String) -> Result<Request, Refused> {
    let (parts, body) = http.into_parts();
    let body = to_bytes(body, BODY_LIMIT).await.map_err(|_| {
        let message = format!("The request content is larger than {BODY_LIMIT} bytes, or it broke off.");
        Refused::new(413, "RequestContentTooLarge", message)
    })?;
    let headers: BTreeMap<String, String> = parts
        .headers
        .iter()
        .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())))
        .collect();
    let host = headers
        .get(header::HOST.as_str())
        .cloned()
        .or_else(|| parts.uri.authority().map(ToString::to_string))
        .filter(|host| host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte)))
        .ok_or_else(|| Refused::new(400, "BadRequest", "The Host header is missing or is no host."))?;
    Ok(Request {
        method: parts.method.as_str().to_owned(),
        path: parts.uri.path().to_owned(),
        query: pairs(parts.uri.query().unwrap_or("")),
        base: format!("https://{host}"),
        host,
        headers,
        body: body.to_vec(),
        id,
    })
}

fn write(answer: Answer, standard: Vec<(&'static str, String)>, is_head: bool) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in standard.into_iter().chain(answer.headers) {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
    if let Some(body) = answer.body {
        let json = HeaderValue::from_static("application/json; charset=utf-8");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        if !is_head {
            *response.body_mut() = Body::from(body.to_string());
        }
    }
    response
}
