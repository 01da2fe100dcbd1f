//! What the bodies of writes look like.

use session_limit_admin::api::Resource;
use session_limit_admin::config::field::Field;
use session_limit_core::model::policy::OnLimit;
use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{RefOr, Schema};

/// One of the lines that the module reads: no control characters.
const NAME: &str = r"^[^\x00-\x1f\x7f-\x9f]+$";
const PROFILE_UUID: &str = "^useraccountprofile-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$";

/// Returns the content of an object that is created or replaced.
pub fn object(resource: Resource, creates: bool) -> RefOr<Schema> {
    let mut fields = fields(resource, content);
    if creates {
        fields = match resource {
            Resource::User => fields.required("username").required("user_profile_ref"),
            Resource::UserGroup => fields.required("name").required("user_profile_ref"),
            _ => fields.required("name"),
        };
    } else if resource != Resource::UserAccountProfile {
        fields = fields.required("user_profile_ref");
    }
    closed(fields)
}

/// Returns the changes of an object: fields to set, and fields to take back.
pub fn patch(resource: Resource) -> RefOr<Schema> {
    let set = || closed(fields(resource, content));
    let taken_back = ObjectBuilder::new().schema_type(Type::Object);
    let verbs = ObjectBuilder::new()
        .schema_type(Type::Object)
        .property("add", set())
        .property("replace", set())
        .property("delete", taken_back);
    closed(verbs)
}

/// Returns the limit that is to be tried out.
pub fn limit() -> RefOr<Schema> {
    let name = Field::MaxConcurrentSessions.name();
    closed(ObjectBuilder::new().schema_type(Type::Object).property(name, number()).required(name))
}

/// The fields of an object: those with a meaning, and those that a client hands back as it has read them.
fn fields(
    resource: Resource,
    content: fn(Resource) -> Vec<(&'static str, Schema)>,
) -> ObjectBuilder {
    let mut object = ObjectBuilder::new().schema_type(Type::Object);
    for (name, schema) in content(resource) {
        object = object.property(name, schema);
    }
    for name in ["url", "is_assigned", "is_known"] {
        object = object.property(name, ObjectBuilder::new().schema_type(SchemaType::AnyValue));
    }
    object.property("_last_modified", text())
}

fn content(resource: Resource) -> Vec<(&'static str, Schema)> {
    let name = ("name", text().pattern(Some(NAME)).max_length(Some(256)).into());
    let mut fields = vec![name];
    match resource {
        Resource::UserAccountProfile => {
            fields.push(("uuid", text_or_null().pattern(Some(PROFILE_UUID)).into()));
            fields.extend(Field::ALL.map(|field| (field.name(), number().into())));
            let words = OnLimit::WORDS.map(|(word, _)| Some(word)).into_iter().chain([None]);
            let kinds = SchemaType::from_iter([Type::String, Type::Null]);
            let on_limit = ObjectBuilder::new().schema_type(kinds).enum_values(Some(words));
            fields.push(("on_limit", on_limit.into()));
        }
        _ => {
            fields.push(("uuid", text_or_null().into()));
            fields
                .push(("user_profile_ref", text().pattern(Some("/api/useraccountprofile")).into()));
        }
    }
    if resource == Resource::User {
        fields.push(("username", text().pattern(Some(NAME)).max_length(Some(256)).into()));
    }
    fields
}

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

fn text_or_null() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::from_iter([Type::String, Type::Null]))
}

fn number() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0)).maximum(Some(u32::MAX))
}

/// Returns an object that has no other fields.
fn closed(object: ObjectBuilder) -> RefOr<Schema> {
    let none = AdditionalProperties::FreeForm(false);
    RefOr::T(object.additional_properties(Some(none)).into())
}
