//! The document that describes the API, made from the same types that answer.

mod bodies;

use serde_json::json;
use session_limit_admin::api::fleet::{FleetHost, FleetSession};
use session_limit_admin::api::objects::{
    Cleared, History, HistoryPoint, Refusal, Unlocked, User, UserAccount, UserAccountProfile,
    UserActivity, UserGroup, UserSession,
};
use session_limit_admin::api::{
    AtLimit, ClearBody, MAX_PAGE_SIZE, PasswordChange, Resource, UnlockBody,
};
use session_limit_admin::impact::{CheckedUser, LimitCheck};
use utoipa::openapi::path::{
    HttpMethod, Operation, OperationBuilder, ParameterBuilder, ParameterIn,
};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, SchemaType, Type};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    ArrayBuilder, ComponentsBuilder, ContentBuilder, InfoBuilder, OpenApi, OpenApiBuilder,
    PathItem, PathsBuilder, Ref, RefOr, Required, ResponseBuilder, Schema,
};
use utoipa::{PartialSchema, ToSchema};

use super::session::MAX_CHOSEN;
use crate::calls::ErrorBody;
use crate::sessions::cookies::SESSION_COOKIES;

const JSON: &str = "application/json";
/// How the session's cookie is called in the document.
const SCHEME: &str = "session";

fn change_password() -> Operation {
    let what = "Changes one's own password: the only call, beside looking at the account, that is left when it \
                has expired.";
    answered(writing(operation(what, true)), "200", reference::<UserAccount>())
        .request_body(Some(body(reference::<PasswordChange>())))
        .build()
}

fn unlock() -> Operation {
    answered(
        writing(operation("Forgets the failed logins of a user.", true)),
        "200",
        reference::<Unlocked>(),
    )
    .request_body(Some(body(reference::<UnlockBody>())))
    .build()
}

/// Returns the document.
pub fn document() -> OpenApi {
    let mut paths = PathsBuilder::new();
    for resource in Resource::ALL {
        let word = resource.word();
        let mut all = PathItem::new(HttpMethod::Get, list(resource));
        let mut one = PathItem::new(HttpMethod::Get, get(resource));
        if resource.is_configured() {
            all.post = Some(write(resource, "Creates an object.", "201", true));
            one.put = Some(write(resource, "Gives an object another content.", "200", false));
            one.patch = Some(patch(resource));
        }
        one.delete = match resource {
            _ if resource.is_session() => {
                Some(answered(by_id(resource, true), "200", reference::<Cleared>()).build())
            }
            _ if resource.is_configured() => Some(
                by_id(resource, true).response("204", described("The object is gone.")).build(),
            ),
            _ => None,
        };
        paths = paths.path(format!("/api/{word}"), all).path(format!("/api/{word}/{{id}}"), one);
    }
    let mut account = PathItem::new(
        HttpMethod::Get,
        answered(operation("Shows one's own account.", true), "200", reference::<UserAccount>()),
    );
    account.put = Some(change_password());
    let clear = writing(operation("Ends all sessions of a user.", true));
    let clear = answered(clear, "200", reference::<Cleared>())
        .request_body(Some(body(reference::<ClearBody>())));
    let health = operation("Says whether users can log in.", false)
        .response("200", described("They can."))
        .response("503", described("The configuration is refused."));
    let paths = paths
        .path("/api/history", PathItem::new(HttpMethod::Get, history()))
        .path("/api/useraccount", account)
        .path("/api/useraccountprofile/{id}/check", PathItem::new(HttpMethod::Post, check()))
        .path("/api/useractivity/unlock", PathItem::new(HttpMethod::Post, unlock()))
        .path("/api/usersession/clear", PathItem::new(HttpMethod::Post, clear))
        .path("/login", PathItem::new(HttpMethod::Post, login()))
        .path("/logout", PathItem::new(HttpMethod::Post, logout()))
        .path("/healthz", PathItem::new(HttpMethod::Get, health));
    let cookie = ApiKey::Cookie(ApiKeyValue::new(SESSION_COOKIES[0]));
    let components = ComponentsBuilder::new()
        .schema(UserAccountProfile::name(), UserAccountProfile::schema())
        .schema(User::name(), User::schema())
        .schema(UserGroup::name(), UserGroup::schema())
        .schema(UserActivity::name(), UserActivity::schema())
        .schema(UserSession::name(), UserSession::schema())
        .schema(UserAccount::name(), UserAccount::schema())
        .schema(Refusal::name(), Refusal::schema())
        .schema(FleetHost::name(), FleetHost::schema())
        .schema(FleetSession::name(), FleetSession::schema())
        .schema(History::name(), History::schema())
        .schema(HistoryPoint::name(), HistoryPoint::schema())
        .schema(Cleared::name(), Cleared::schema())
        .schema(CheckedUser::name(), CheckedUser::schema())
        .schema(LimitCheck::name(), LimitCheck::schema())
        .schema(ClearBody::name(), ClearBody::schema())
        .schema(PasswordChange::name(), PasswordChange::schema())
        .schema(UnlockBody::name(), UnlockBody::schema())
        .schema(Unlocked::name(), Unlocked::schema())
        .schema(AtLimit::name(), AtLimit::schema())
        .schema(ErrorBody::name(), ErrorBody::schema())
        .security_scheme(SCHEME, SecurityScheme::ApiKey(cookie));
    let info = InfoBuilder::new()
        .title("session-limitd")
        .description(Some("Login sessions of the users of a host, and how many each may hold."))
        .version(env!("CARGO_PKG_VERSION"));
    OpenApiBuilder::new().info(info).paths(paths).components(Some(components.build())).build()
}

fn list(resource: Resource) -> Operation {
    let mut list = operation("Lists objects, one page of them.", true);
    let number = || ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1));
    for (name, schema, help) in [
        ("page", number(), "Number of the page, from 1."),
        ("page_size", number().maximum(Some(MAX_PAGE_SIZE)), "Objects of a page."),
        ("name", text(), "Only the object of this name."),
        ("sort", text(), "Field to sort by, with `-` in front for the reverse order."),
        ("fields", text(), "Fields to show, with commas between."),
    ] {
        list = list.parameter(in_query(name, schema, help));
    }
    list = list.parameter(include_name());
    let page = ObjectBuilder::new()
        .property("count", ObjectBuilder::new().schema_type(Type::Integer))
        .property("results", ArrayBuilder::new().items(schema_of(resource)))
        .property("next", ObjectBuilder::new().schema_type(Type::String))
        .required("count")
        .required("results");
    answered(list, "200", RefOr::T(page.into())).tag(resource.word()).build()
}

fn history() -> Operation {
    let mut history = operation("Shows how many sessions there were, and refused logins.", true);
    for (name, help) in [
        ("from", "The beginning, as RFC 3339 writes it or as seconds since the epoch."),
        ("to", "The end, likewise; now by default."),
        ("step", "Seconds of a point."),
    ] {
        history = history.parameter(in_query(name, text(), help));
    }
    answered(history, "200", reference::<History>()).build()
}

fn get(resource: Resource) -> Operation {
    answered(by_id(resource, false).parameter(include_name()), "200", schema_of(resource)).build()
}

fn write(resource: Resource, summary: &str, status: &str, creates: bool) -> Operation {
    let write = if creates {
        operation(summary, true)
    } else {
        by_id(resource, false).summary(Some(summary))
    };
    let mut write = writing(write).tag(resource.word());
    if creates && resource == Resource::UserAccountProfile {
        write =
            write.parameter(header("Slug", "The identifier that the object is to have.", false));
    }
    write = write
        .response("409", failure("The name is taken, or another writer was at work."))
        .response("412", failure("The object has changed since it was read."));
    answered(write, status, schema_of(resource))
        .request_body(Some(body(bodies::object(resource, creates))))
        .build()
}

fn patch(resource: Resource) -> Operation {
    let patch = writing(by_id(resource, false))
        .summary(Some("Changes fields of an object."))
        .response("409", failure("Another writer was at work."))
        .response("412", failure("The object has changed since it was read."));
    answered(patch, "200", schema_of(resource))
        .request_body(Some(body(bodies::patch(resource))))
        .build()
}

fn check() -> Operation {
    let check = writing(by_id(Resource::UserAccountProfile, false)).summary(Some(
        "Says whom a limit would refuse, now and in the last days; changes nothing.",
    ));
    answered(check, "200", reference::<LimitCheck>())
        .request_body(Some(body(bodies::limit())))
        .build()
}

fn login() -> Operation {
    let id = || ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1));
    let ids = ArrayBuilder::new().items(id()).min_items(Some(1)).max_items(Some(MAX_CHOSEN));
    let end_session = OneOfBuilder::new().item(id()).item(ids);
    let fields = ObjectBuilder::new()
        .property("username", text())
        .property("password", text())
        .property("clear_sessions", ObjectBuilder::new().schema_type(Type::Boolean))
        .property("end_session", end_session)
        .required("username")
        .required("password");
    let schema: RefOr<Schema> = RefOr::T(fields.into());
    let content = || ContentBuilder::new().schema(Some(schema.clone())).build();
    let body = RequestBodyBuilder::new()
        .content(JSON, content())
        .content("application/x-www-form-urlencoded", content())
        .required(Some(Required::True));
    answered(operation("Logs a user in.", false), "200", object())
        .request_body(Some(body.build()))
        .response("401", failure("Name or password are wrong."))
        .response(
            "403",
            failure("The user may not log in; at the limit the two lines of the warning."),
        )
        .response("413", failure("The body is too long."))
        .response("429", failure("Too many logins failed."))
        .build()
}

fn logout() -> Operation {
    answered(writing(operation("Ends the session.", true)), "200", object()).build()
}

fn operation(summary: &str, needs_session: bool) -> OperationBuilder {
    let mut operation = OperationBuilder::new()
        .summary(Some(summary))
        .response("400", failure("A field or parameter is not valid."))
        .response("503", failure("Configuration, store, login service or fleet cannot be used."));
    if needs_session {
        operation = operation
            .security(SecurityRequirement::new::<_, [&str; 0], &str>(SCHEME, []))
            .response("401", failure("There is no session, or it is over."))
            .response("403", failure("The user may not do that."))
            .response("404", failure("There is no such object."));
    }
    operation
}

fn by_id(resource: Resource, deletes: bool) -> OperationBuilder {
    let summary =
        if deletes { "Deletes an object, or ends a session." } else { "Shows an object." };
    let id = ParameterBuilder::new()
        .name("id")
        .parameter_in(ParameterIn::Path)
        .required(Required::True)
        .schema(Some(text()));
    let operation = operation(summary, true).parameter(id).tag(resource.word());
    if !deletes {
        return operation;
    }
    writing(operation).response("409", failure("The object is still needed."))
}

/// Whether references are shown with names.
fn include_name() -> ParameterBuilder {
    // The clients of the original product write `&include_name`.
    let flag = ObjectBuilder::new()
        .schema_type(SchemaType::from_iter([Type::Boolean, Type::String]))
        .enum_values(Some([json!(true), json!(false), json!("")]));
    let help = "Whether references end in `#NAME`; without a value it means `true`.";
    in_query("include_name", flag, help)
}

/// A parameter behind the path, which may be left out.
fn in_query(name: &str, schema: ObjectBuilder, help: &str) -> ParameterBuilder {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Query)
        .required(Required::False)
        .description(Some(help))
        .schema(Some(schema))
}

/// Adds what each change needs.
fn writing(operation: OperationBuilder) -> OperationBuilder {
    operation
        .parameter(header("X-CSRFToken", "The value of the cookie csrftoken.", true))
        .parameter(header("Referer", "An address of this service.", true))
        .response("408", failure("The body took too long."))
        .response("413", failure("The body is too long."))
}

fn header(name: &str, help: &str, required: bool) -> ParameterBuilder {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Header)
        .required(if required { Required::True } else { Required::False })
        .description(Some(help))
        .schema(Some(text()))
}

fn answered(operation: OperationBuilder, status: &str, schema: RefOr<Schema>) -> OperationBuilder {
    let content = ContentBuilder::new().schema(Some(schema)).build();
    operation.response(status, ResponseBuilder::new().description("Done.").content(JSON, content))
}

fn failure(description: &str) -> ResponseBuilder {
    let content = ContentBuilder::new().schema(Some(reference::<ErrorBody>())).build();
    described(description).content(JSON, content)
}

fn described(description: &str) -> ResponseBuilder {
    ResponseBuilder::new().description(description)
}

fn body(schema: RefOr<Schema>) -> utoipa::openapi::request_body::RequestBody {
    let content = ContentBuilder::new().schema(Some(schema)).build();
    RequestBodyBuilder::new().content(JSON, content).required(Some(Required::True)).build()
}

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

fn object() -> RefOr<Schema> {
    RefOr::T(ObjectBuilder::new().schema_type(Type::Object).into())
}

fn reference<T: ToSchema>() -> RefOr<Schema> {
    RefOr::Ref(Ref::from_schema_name(T::name()))
}

fn schema_of(resource: Resource) -> RefOr<Schema> {
    match resource {
        Resource::UserAccountProfile => reference::<UserAccountProfile>(),
        Resource::User => reference::<User>(),
        Resource::UserGroup => reference::<UserGroup>(),
        Resource::UserActivity => reference::<UserActivity>(),
        Resource::UserSession => reference::<UserSession>(),
        Resource::Refusal => reference::<Refusal>(),
        Resource::FleetHost => reference::<FleetHost>(),
        Resource::FleetSession => reference::<FleetSession>(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reference_in_the_document_leads_somewhere() {
        let document = serde_json::to_value(document()).unwrap();
        let text = document.to_string();
        for reference in text.split("\"$ref\":\"").skip(1) {
            let name = reference.split('"').next().unwrap();
            let pointer = name.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{name}");
        }
        assert!(document.pointer("/paths/~1api~1user~1{id}/patch").is_some());
        assert!(document.pointer("/paths/~1api~1useractivity/post").is_none());
    }

    #[test]
    fn a_flag_without_a_value_is_allowed_wherever_objects_are_shown() {
        let document = serde_json::to_value(document()).unwrap();
        for word in Resource::ALL.map(Resource::word) {
            for path in [format!("/api/{word}"), format!("/api/{word}/{{id}}")] {
                let parameters = document["paths"][&path]["get"]["parameters"].as_array().unwrap();
                let flag = parameters.iter().find(|one| one["name"] == "include_name").unwrap();
                assert_eq!(flag["schema"]["type"], json!(["boolean", "string"]), "{path}");
                assert_eq!(flag["schema"]["enum"], json!([true, false, ""]), "{path}");
                assert!(
                    flag["description"].as_str().unwrap().contains("without a value"),
                    "{path}"
                );
            }
        }
    }
}
