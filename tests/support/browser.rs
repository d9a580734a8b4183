//! A browser without a page: it sends what it is told to and follows no redirect.

use reqwest::header::{COOKIE, ORIGIN, SET_COOKIE};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode};

pub struct Browser {
    http: Client,
    pub base: String,
}

impl Browser {
    pub fn at(base: &str) -> Self {
        Self { http: Client::builder().redirect(Policy::none()).build().unwrap(), base: base.to_owned() }
    }

    pub async fn post(&self, path: &str, form: &[(&str, &str)], headers: &[(&str, &str)]) -> Response {
        let mut request = self.http.post(format!("{}{path}", self.base)).form(form);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.unwrap()
    }

    /// A form of a page of this console, sent with this cookie.
    pub async fn submit(&self, path: &str, form: &[(&str, &str)], cookie: &str) -> Response {
        self.post(path, form, &[(ORIGIN.as_str(), &self.base), (COOKIE.as_str(), cookie)]).await
    }

    pub async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Response {
        let mut request = self.http.get(format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.unwrap()
    }

    /// What the sign-in form answers to this token.
    pub async fn try_sign_in(&self, token: &str) -> Response {
        let form = [("token", token), ("next", "/ops/actions")];
        self.post("/ops/sign-in", &form, &[(ORIGIN.as_str(), &self.base)]).await
    }

    /// Signs in and returns the cookie to send.
    pub async fn sign_in(&self, token: &str) -> String {
        let answer = self.try_sign_in(token).await;
        assert_eq!(answer.status(), StatusCode::SEE_OTHER);
        let cookie = answer.headers()[SET_COOKIE].to_str().unwrap();
        cookie.split(';').next().unwrap().to_owned()
    }
}
