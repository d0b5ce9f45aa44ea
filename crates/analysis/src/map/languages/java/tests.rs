use crate::map::testing::{imports, map_of, paths, symbols};

const SOURCE: &str = r#"
@Deprecated
package com.example . server;

import java.util.List;
import com.example.store.Store;
import com.example.store.Store.Entry;
import static com.example.store.Files.read;
import com.example.model.*;

public final class Server<T> extends Base implements Runnable {
    private static final int LIMIT = 1, LOW = 2;
    public Server() {}
    @Override
    public void run() { int local = 1; class Inner {} }
    private void stop() {}
    enum State { ON { void x() {} }, OFF; int code; int code() { return 1; } }
    record Pair(int a, int b) { static Pair of() { return null; } }
}

interface Handler { int MOST = 1; void handle(); }
@interface Mark { String value() default ""; }
"#;

#[test]
fn what_it_defines_is_found() {
    let map = map_of(&[("src/Server.java", SOURCE)]);
    assert_eq!(
        symbols(&map, "src/Server.java"),
        [
            "Server Class@11",
            "Server.LIMIT Constant@12 -",
            "Server.LOW Constant@12 -",
            "Server.run Method@14",
            "Server.stop Method@16 -",
            "Server.State Enum@17",
            "State.code Constant@17",
            "State.code Method@17",
            "Server.Pair Class@18",
            "Pair.of Method@18",
            "Handler Interface@21",
            "Handler.MOST Constant@21",
            "Handler.handle Method@21",
            "Mark Interface@22",
            "Mark.value Method@22",
        ]
    );
}

#[test]
fn imports_lead_to_files() {
    let map = map_of(&[
        ("src/main/java/com/example/server/Server.java", SOURCE),
        ("core/src/Store.java", "package com.example.store; class Store {}"),
        ("core/src/Files.java", "package com.example.store; class Files {}"),
        ("model/A.java", "package com.example.model;"),
        ("model/B.java", "package com.example.model;"),
        ("src/test/java/com/example/server/ServerRunTest.java", "package com.example.server;"),
        ("src/test/java/com/example/server/Helper.java", "package com.example.server;"),
    ]);
    let server = "src/main/java/com/example/server/Server.java";
    assert_eq!(
        imports(&map, server),
        [
            "java.util(List) ->",
            "com.example.store(Store) -> core/src/Store.java",
            "com.example.store.Store(Entry) -> core/src/Store.java",
            "com.example.store.Files(read) -> core/src/Files.java",
            "com.example.model(*) -> model/A.java model/B.java",
        ]
    );
    assert_eq!(paths(&map, &map.module("com.example.store.Store")), ["core/src/Store.java"]);
    assert_eq!(paths(&map, &map.module("com.example.model")), ["model/A.java", "model/B.java"]);
    let test = "src/test/java/com/example/server/ServerRunTest.java";
    assert_eq!(map.subject_of(map.file(test).unwrap()), None);
    let map = map_of(&[
        ("src/main/java/a/HttpServer.java", "package a;"),
        ("src/test/java/a/HttpServerRunTest.java", "package a;"),
    ]);
    assert_eq!(
        paths(&map, map.tests_of(map.file("src/main/java/a/HttpServer.java").unwrap())),
        ["src/test/java/a/HttpServerRunTest.java"]
    );
}
