//! What holds for every call of the OpenAPI document, and is not said at each of them.

use utoipa::openapi::content::Content;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{OpenApi, Ref, RefOr};

use super::shopper::GUEST_HEADER;

const JSON: &str = "application/json";
const PROBLEM_JSON: &str = "application/problem+json";

/// Adds who may call, what any call may refuse, and a name of its own for each.
pub fn complete(document: &mut OpenApi) {
    let bearer = SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build());
    let guest = SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new(GUEST_HEADER)));
    let components = document.components.get_or_insert_default();
    components.add_security_scheme("token", bearer);
    components.add_security_scheme("guest", guest);
    for (path, item) in &mut document.paths.paths {
        operations(item).for_each(|operation| complete_call(path, operation));
    }
}

fn complete_call(path: &str, operation: &mut Operation) {
    // Handlers of different things have the same names: `read` of `/v1/orders/{id}` is `read_orders`.
    let words = path.split('/').filter(|word| !word.is_empty() && *word != "v1" && !word.starts_with('{'));
    let name = operation.operation_id.as_deref().into_iter().chain(words).collect::<Vec<_>>().join("_");
    operation.operation_id = Some(name.replace('-', "_"));
    let responses = &mut operation.responses.responses;
    for (status, description) in COMMON_PROBLEMS {
        if let ("429", Some(RefOr::T(own))) = (status, responses.get_mut(status)) {
            own.description = format!("{}; or a{}", own.description, &description[1..]);
        }
        let problem = Content::new(Some(Ref::from_schema_name("Problem")));
        let response = ResponseBuilder::new().description(description).content(PROBLEM_JSON, problem);
        responses.entry(status.to_owned()).or_insert_with(|| response.build().into());
    }
    for (status, response) in responses.iter_mut() {
        if let RefOr::T(response) = response
            && status.starts_with(['4', '5'])
        {
            say_problem(response);
        }
    }
}

/// The macro that describes a call knows one kind of JSON.
fn say_problem(response: &mut Response) {
    let is_problem = |content: &RefOr<Content>| match content {
        RefOr::T(Content { schema: Some(RefOr::Ref(schema)), .. }) => {
            schema.ref_location.ends_with("/Problem")
        }
        _ => false,
    };
    if response.content.get(JSON).is_some_and(is_problem)
        && let Some(content) = response.content.shift_remove(JSON)
    {
        response.content.insert(PROBLEM_JSON.to_owned(), content);
    }
}

/// The calls of a path.
fn operations(path: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let methods = [&mut path.get, &mut path.post, &mut path.put, &mut path.patch, &mut path.delete];
    methods.into_iter().flatten()
}

/// What any call may answer beside its own.
const COMMON_PROBLEMS: [(&str, &str); 10] = [
    ("400", "Malformed, or a header is missing"),
    ("401", "No token, or none that is known"),
    ("403", "The token may not do this"),
    ("404", "No such thing, or not the caller's"),
    ("408", "The body took too long"),
    ("413", "The body has more than 65536 bytes"),
    ("415", "The body is not JSON by its own account"),
    ("422", "The request breaks a rule"),
    ("429", "Asked too often; Retry-After says when to try again"),
    ("503", "The broker or the database does not answer"),
];
