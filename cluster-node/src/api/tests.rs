use cluster_core::engine::RoomId;
use proptest::prelude::*;
use serde_json::{Value, json};
use uuid::Uuid;

use super::*;
use crate::filter::Filter;

fn request(message: &Value) -> Request {
    match Incoming::parse(&message.to_string()) {
        Ok(Incoming::Request(request)) => request,
        other => panic!("{message} is {other:?}"),
    }
}

fn rejection(text: &str) -> Rejection {
    Incoming::parse(text).expect_err(text)
}

fn call(message: &Value) -> Result<Call, ApiError> {
    request(message).call()
}

const ROOM: RoomId = RoomId::new([0xab; 32]);

#[test]
fn the_first_message_of_the_sdk_is_answered_as_kuzzle_does() {
    let message = json!({
        "action": "checkToken", "body": {}, "cookieAuth": false, "controller": "auth", "requestId": "r1",
        "volatile": {"sdkInstanceId": "s1", "sdkName": "js@7.17.1"},
    });
    let request = request(&message);
    assert_eq!(request.call(), Ok(Call::CheckToken { token: None }));
    assert_eq!(
        Response::success("node-1", &request, results::check_token(None)).to_json(),
        concat!(
            r#"{"action":"checkToken","controller":"auth","error":null,"headers":{},"node":"node-1","requestId":"r1","#,
            r#""result":{"expiresAt":null,"kuid":"-1","valid":true},"room":"r1","status":200,"#,
            r#""volatile":{"sdkInstanceId":"s1","sdkName":"js@7.17.1"}}"#
        )
    );
}

#[test]
fn a_failure_carries_the_error_and_its_status() {
    let request = request(
        &json!({"controller": "realtime", "action": "count", "requestId": "r", "index": "i", "collection": "c"}),
    );
    let response = Response::failure("n", &request, &ApiError::RoomNotFound("x".to_owned()));
    assert_eq!(response.status(), 404);
    assert_eq!(
        response.to_json(),
        concat!(
            r#"{"action":"count","collection":"c","controller":"realtime","error":{"code":65537,"#,
            r#""id":"core.realtime.room_not_found","message":"The room \"x\" doesn't exist","props":["x"],"status":404},"#,
            r#""headers":{},"index":"i","node":"n","requestId":"r","result":null,"room":"r","status":404,"volatile":null}"#
        )
    );
}

#[test]
fn an_answer_over_http_names_no_room() {
    let request = Request::http("realtime", "publish")
        .with_request_id("r")
        .with_volatile(json!({"v": 1}).as_object().cloned().unwrap_or_default())
        .with_argument("index", "i")
        .with_argument("collection", "c")
        .with_body(json!({"a": 1}));
    assert!(matches!(request.call(), Ok(Call::Publish { id: None, .. })));
    assert_eq!(request.protocol().name(), "http");
    assert_eq!(
        Response::success("n", &request, results::published()).to_json(),
        concat!(
            r#"{"action":"publish","collection":"c","controller":"realtime","error":null,"headers":{},"index":"i","#,
            r#""node":"n","requestId":"r","result":{"published":true},"status":200,"volatile":{"v":1}}"#
        )
    );
}

#[test]
fn a_ping_is_an_object_with_exactly_one_key() {
    assert_eq!(Incoming::parse(r#"{"p":1}"#), Ok(Incoming::Ping));
    for no_ping in [json!({"p": 2}), json!({"p": "1"}), json!({"p": 1, "q": 1}), json!({})] {
        assert_eq!(request(&no_ping).call(), Err(ApiError::MissingArgument("controller")), "{no_ping}");
    }
}

#[test]
fn a_request_without_an_id_gets_a_fresh_one() {
    let ids = [json!({}), json!({"requestId": null}), json!({"requestId": ""})].map(|message| {
        let id = request(&message).request_id().to_owned();
        Uuid::parse_str(&id).unwrap_or_else(|error| panic!("{id}: {error}"))
    });
    assert!(ids[0] != ids[1] && ids[1] != ids[2] && ids[0] != ids[2]);
}

#[test]
fn what_is_not_an_object_is_answered_without_a_room() {
    for text in ["", "{", "[]", "1", "null", "\"x\"", &"[".repeat(1_000_000)] {
        let rejection = rejection(text);
        assert_eq!(
            (rejection.request_id.as_deref(), rejection.error.code()),
            (None, 50_528_257),
            "{text:.20}"
        );
    }
    let answer = Response::rejection("n", &rejection("[]"));
    let answer: Value = serde_json::from_str(&answer.to_json()).expect("an answer is JSON");
    assert_eq!(answer.get("room"), None);
    assert_eq!(
        answer["error"]["message"],
        "Caught an unexpected WebSocket error: a message must be a JSON object"
    );
    assert_eq!(answer["status"], 400);
}

#[test]
fn an_envelope_of_wrong_types_is_answered_to_its_request() {
    let table = [
        ("controller", json!(1), "string"),
        ("action", json!({}), "string"),
        ("volatile", json!([]), "object"),
        ("body", json!("x"), "object or array"),
        ("jwt", json!(true), "string"),
    ];
    for (argument, value, expected) in table {
        let rejection = rejection(&json!({"requestId": "r", argument: value}).to_string());
        let error = ApiError::InvalidType { argument, expected };
        assert_eq!(rejection, Rejection { request_id: Some("r".to_owned()), error });
        assert!(Response::rejection("n", &rejection).to_json().contains(r#""room":"r""#));
    }
    let error = ApiError::InvalidType { argument: "requestId", expected: "string" };
    assert_eq!(rejection(r#"{"requestId":1}"#), Rejection { request_id: None, error });
}

#[test]
fn every_action_is_understood() {
    let realtime = |action: &str, arguments: Value| {
        let mut message =
            json!({"controller": "realtime", "action": action, "state": "done", "propagate": false});
        for (name, value) in arguments.as_object().expect("arguments are an object") {
            message[name] = value.clone();
        }
        call(&message)
    };
    let (index, collection, room) = ("i".to_owned(), "c".to_owned(), "any text".to_owned());
    let filter = Filter::parse(&json!({"exists": "a"})).expect("a filter");
    let options = ChannelOptions { scope: Scope::Out, users: Users::In };
    assert_eq!(call(&json!({"controller": "server", "action": "now"})), Ok(Call::Now));
    assert_eq!(call(&json!({"controller": "cluster", "action": "status"})), Ok(Call::ClusterStatus));
    assert_eq!(
        call(&json!({"controller": "auth", "action": "checkToken", "body": {"token": "t"}, "jwt": "t"})),
        Ok(Call::CheckToken { token: Some("t".to_owned()) })
    );
    assert_eq!(
        realtime(
            "subscribe",
            json!({"index": "i", "collection": "c", "body": {"exists": "a"}, "scope": "out", "users": "in"})
        ),
        Ok(Call::Subscribe { index: index.clone(), collection: collection.clone(), filter, options })
    );
    assert_eq!(
        realtime("join", json!({"body": {"roomId": "any text"}, "scope": null})),
        Ok(Call::Join { room: room.clone(), options: ChannelOptions::default() })
    );
    let named = json!({"body": {"roomId": "any text"}});
    assert_eq!(realtime("unsubscribe", named.clone()), Ok(Call::Unsubscribe { room: room.clone() }));
    assert_eq!(realtime("count", named), Ok(Call::Count { room }));
    assert_eq!(realtime("list", json!({})), Ok(Call::List));
    let body = json!({"a": 1}).as_object().cloned().unwrap_or_default();
    assert_eq!(
        realtime("publish", json!({"index": "i", "collection": "c", "_id": "d", "body": {"a": 1}})),
        Ok(Call::Publish { index, collection, id: Some("d".to_owned()), body })
    );
}

#[test]
fn a_wrong_call_is_refused_by_its_reason() {
    let refused = |action: &str, arguments: Value| {
        let mut message =
            json!({"controller": "realtime", "action": action, "index": "i", "collection": "c"});
        for (name, value) in arguments.as_object().expect("arguments are an object") {
            message[name] = value.clone();
        }
        call(&message).expect_err(action).to_string()
    };
    let missing = |argument| format!("Missing argument \"{argument}\".");
    let body = "The request must specify a body.";
    assert_eq!(refused("subscribe", json!({"index": null})), missing("index"));
    assert_eq!(refused("subscribe", json!({"index": ""})), missing("index"));
    assert_eq!(refused("subscribe", json!({"collection": null})), missing("collection"));
    assert_eq!(
        refused("subscribe", json!({"index": 1})),
        r#"Wrong type for argument "index" (expected: string)"#
    );
    assert_eq!(
        refused("subscribe", json!({"index": "x".repeat(MAX_NAME_BYTES + 1)})),
        r#"Invalid argument "index". Expected: a name of at most 128 bytes"#
    );
    assert_eq!(refused("subscribe", json!({})), body);
    assert_eq!(
        refused("subscribe", json!({"body": {"exists": ""}})),
        r#""exists" needs the name of a field"#
    );
    assert_eq!(refused("subscribe", json!({"body": []})), "a filter must be an object, this one is a list");
    let scope = r#"Invalid value for the "scope" parameter (allowed: "all", "in", "out", "none")."#;
    assert_eq!(refused("subscribe", json!({"body": {}, "scope": "both"})), scope);
    assert_eq!(refused("join", json!({"body": {"roomId": "r"}, "scope": 1})), scope);
    let users = r#"Invalid value for the "users" parameter (allowed: "all", "in", "out", "none")."#;
    assert_eq!(refused("subscribe", json!({"body": {}, "users": "ALL"})), users);
    for action in ["join", "unsubscribe", "count"] {
        assert_eq!(refused(action, json!({})), body);
        assert_eq!(refused(action, json!({"body": {}})), missing("body.roomId"));
        assert_eq!(refused(action, json!({"body": {"roomId": null}})), missing("body.roomId"));
        assert_eq!(
            refused(action, json!({"body": {"roomId": 1}})),
            r#"Wrong type for argument "body.roomId" (expected: string)"#
        );
    }
    assert_eq!(refused("publish", json!({})), body);
    assert_eq!(refused("publish", json!({"body": {}, "index": null})), missing("index"));
    assert_eq!(
        refused("publish", json!({"body": []})),
        r#"Wrong type for argument "body" (expected: object)"#
    );
    assert_eq!(
        refused("publish", json!({"body": {}, "_id": 1})),
        r#"Wrong type for argument "_id" (expected: string)"#
    );
    assert_eq!(refused("validate", json!({})), r#"API action "realtime":"validate" not found"#);
    assert_eq!(refused("", json!({})), missing("action"));
    assert_eq!(
        call(&json!({"controller": "document", "action": "create"})),
        Err(ApiError::ControllerNotFound("document".to_owned()))
    );
}

#[test]
fn errors_have_the_ids_codes_and_statuses_of_kuzzle() {
    let x = || "x".to_owned();
    let filter = Filter::parse(&json!({"and": []})).expect_err("no operands");
    let not_found = ApiError::ActionNotFound { controller: x(), action: "y".to_owned() };
    let table = [
        (ApiError::Unexpected(x()), r#"core.fatal.unexpected_error 1 500 ["x"]"#),
        (ApiError::RoomNotFound(x()), r#"core.realtime.room_not_found 65537 404 ["x"]"#),
        (ApiError::InvalidScope, "core.realtime.invalid_scope 65540 400 []"),
        (ApiError::InvalidUsers, "core.realtime.invalid_users 65541 400 []"),
        (ApiError::TooManyRooms, "core.realtime.too_many_rooms 65543 413 []"),
        (
            ApiError::NotSubscribed { connection: x(), room: "r".to_owned() },
            r#"core.realtime.not_subscribed 65544 412 ["x","r"]"#,
        ),
        (ApiError::TooManySubscriptions { limit: 3 }, "core.realtime.too_many_subscriptions 65545 413 [3]"),
        (
            ApiError::InvalidType { argument: "a", expected: "b" },
            r#"api.assert.invalid_type 33619969 400 ["a","b"]"#,
        ),
        (
            ApiError::InvalidArgument { argument: "a", expected: x() },
            r#"api.assert.invalid_argument 33619970 400 ["a","x"]"#,
        ),
        (ApiError::MissingArgument("a"), r#"api.assert.missing_argument 33619971 400 ["a"]"#),
        (ApiError::BodyRequired, "api.assert.body_required 33619976 400 []"),
        (
            ApiError::Filter(filter),
            r#"api.assert.koncorde_dsl_error 33619982 400 ["\"and\" needs a list of at least one filter, none of them empty"]"#,
        ),
        (ApiError::ControllerNotFound(x()), r#"api.process.controller_not_found 33685508 404 ["x"]"#),
        (not_found, r#"api.process.action_not_found 33685509 404 ["x","y"]"#),
        (ApiError::ShuttingDown, "api.process.shutting_down 33685511 503 []"),
        (ApiError::NotEnoughNodes, "api.process.not_enough_nodes 33685515 503 []"),
        (ApiError::RequestTooLarge, "network.http.request_too_large 50397185 413 []"),
        (ApiError::RequestTooSlow { within: 10 }, "network.http.request_timeout 50397424 408 [10]"),
        (ApiError::UrlNotFound(x()), r#"network.http.url_not_found 50397191 404 ["x"]"#),
        (ApiError::UnsupportedContent(x()), r#"network.http.unsupported_content 50397192 400 ["x"]"#),
        (ApiError::VolatileParseFailed(x()), r#"network.http.volatile_parse_failed 50397195 400 ["x"]"#),
        (ApiError::BodyParseFailed(x()), r#"network.http.body_parse_failed 50397196 400 ["x"]"#),
        (ApiError::WebSocket(x()), r#"network.websocket.unexpected_error 50528257 400 ["x"]"#),
    ];
    for (error, expected) in table {
        let (id, code, status, props) = (error.id(), error.code(), error.status(), json!(error.props()));
        assert_eq!(format!("{id} {code} {status} {props}"), expected);
        let message = error.to_string();
        let object = json!({"code": code, "id": id, "message": message, "props": props, "status": status});
        assert_eq!(error.to_json(), object);
    }
}

#[test]
fn each_combination_of_options_has_its_own_channel() {
    let scopes = [(Scope::All, "1"), (Scope::In, "2"), (Scope::Out, "3"), (Scope::None, "")];
    let users = [(Users::All, "1"), (Users::In, "2"), (Users::None, "3"), (Users::Out, "4")];
    for (scope, scope_digit) in scopes {
        for (users, users_digit) in users {
            let channel = Channel { room: ROOM, options: ChannelOptions { scope, users } };
            assert_eq!(channel.to_string(), format!("{ROOM}-{users_digit}1{scope_digit}"));
        }
    }
    let default = Channel { room: ROOM, options: ChannelOptions::default() };
    assert_eq!(default.to_string(), format!("{}-311", "ab".repeat(32)));
}

#[test]
fn results_have_the_shapes_that_the_sdk_reads() {
    let id = "ab".repeat(32);
    let channel = Channel { room: ROOM, options: ChannelOptions::default() };
    let other = RoomId::new([1; 32]);
    assert_eq!(results::check_token(Some("t")), json!({"state": "Invalid token", "valid": false}));
    assert_eq!(results::now(1_700_000_000_001), json!({"now": 1_700_000_000_001_u64}));
    assert_eq!(results::subscribed(&channel), json!({"channel": format!("{id}-311"), "roomId": id}));
    assert_eq!(results::unsubscribed(&ROOM), json!({"roomId": id}));
    assert_eq!(results::count(3, 0), json!({"count": 3}));
    assert_eq!(results::count(3, 2), json!({"count": 3, "moving": 2}));
    assert_eq!(results::list([]), json!({}));
    assert_eq!(
        results::list([
            ("i", "c", ROOM, 2),
            ("j", "c", other, 1),
            ("i", "c", other, 3),
            ("i", "d", other, 4)
        ]),
        json!({
            "i": {"c": {id: 2, other.to_string(): 3}, "d": {other.to_string(): 4}},
            "j": {"c": {other.to_string(): 1}},
        })
    );
}

/// Requests that get far: known names with values of any type.
fn any_message() -> impl Strategy<Value = Value> {
    let value = prop_oneof![
        Just(Value::Null),
        any::<i8>().prop_map(Value::from),
        prop::sample::select(vec!["", "in", "auth", "realtime", "subscribe", "join", "count", "publish"])
            .prop_map(Value::from),
        prop::sample::select(vec![
            json!({}),
            json!([]),
            json!({"roomId": 1}),
            json!({"roomId": "r"}),
            json!({"in": 1})
        ]),
    ];
    let name = prop::sample::select(vec![
        "action",
        "body",
        "collection",
        "controller",
        "index",
        "jwt",
        "requestId",
        "scope",
        "users",
        "volatile",
        "_id",
    ]);
    prop::collection::btree_map(name, value, 0..11).prop_map(|message| json!(message))
}

proptest! {
    #[test]
    fn any_text_is_read_without_panic(text in ".{0,200}") {
        Incoming::parse(&text).ok();
    }

    #[test]
    fn any_message_is_answered_in_json(message in any_message()) {
        let answer = match Incoming::parse(&message.to_string()) {
            Ok(Incoming::Ping) => return Ok(()),
            Ok(Incoming::Request(request)) => match request.call() {
                Ok(_) => Response::success("n", &request, Value::Null),
                Err(error) => Response::failure("n", &request, &error),
            },
            Err(rejection) => Response::rejection("n", &rejection),
        };
        let answer: Value = serde_json::from_str(&answer.to_json()).expect("an answer is JSON");
        if let Some(Value::String(id)) = message.get("requestId").filter(|id| **id != json!("")) {
            prop_assert_eq!(&answer["room"], id);
        }
    }
}
