use crate::map::testing::{imports, map_of, paths, symbols};

const C: &str = r#"
#ifndef GUARD_H
#define GUARD_H
#include <stdio.h>
#include "local.h"
#include "sub/deep.h"
#include <proj/api.h>
#define LIMIT 3
#define MAX(a, b) ((a) > (b) ? (a) : (b))
typedef struct server { int fd; void (*run)(void); } server_t;
typedef int (*callback)(int);
struct point { int x, y; };
enum color { RED, GREEN };
union both { int a; float b; };
extern int counter;
static int hidden = 1;
int create(struct point *p);
static int helper(void) { int local = 1; return local; }
char *name_of(int x)
{
    return 0;
}
#ifdef EXTRA
void extra(void) {}
#endif
#endif
"#;

#[test]
fn what_c_defines_is_found() {
    let map = map_of(&[("a.c", C)]);
    assert_eq!(
        symbols(&map, "a.c"),
        [
            "LIMIT Constant@8",
            "MAX Macro@9",
            "server_t Type@10",
            "server Class@10",
            "callback Type@11",
            "point Class@12",
            "color Enum@13",
            "both Class@14",
            "counter Constant@15",
            "hidden Constant@16 -",
            "create Function@17",
            "helper Function@18 -",
            "name_of Function@19",
            "extra Function@24",
        ]
    );
}

const CPP: &str = r#"
#include "server.hpp"
namespace net {
class Server : public Base {
public:
    Server();
    void run() const;
    template <typename T> T get() { return T(); }
    static int count;
private:
    int field_;
    struct Inner { void deep(); };
};
void Server::run() const {}
template <class T> class Box { T t; };
using Alias = Box<int>;
int free_function(const std::string &s) { return 1; }
}
"#;

#[test]
fn what_cpp_defines_is_found() {
    let map = map_of(&[("a.cpp", CPP), ("b.h", "#pragma once\nclass Other { void go(); };\n")]);
    assert_eq!(
        symbols(&map, "a.cpp"),
        [
            "net.Server Class@4",
            "Server.Server Method@6",
            "Server.run Method@7",
            "Server.get Method@8",
            "Server.Inner Class@12",
            "Inner.deep Method@12",
            "Server.run Method@14",
            "net.Box Class@15",
            "net.Alias Type@16",
            "net.free_function Function@17",
        ]
    );
    assert_eq!(symbols(&map, "b.h"), ["Other Class@2", "Other.go Method@2"]);
}

#[test]
fn includes_lead_to_files() {
    let map = map_of(&[
        ("src/a.c", C),
        ("src/local.h", ""),
        ("other/local.h", ""),
        ("include/sub/deep.h", ""),
        ("include/proj/api.h", ""),
        ("compat/stdio.h", ""),
        ("tests/a.c", "#include \"../src/local.h\"\n#include \"nowhere.h\""),
        ("src/b_test.cc", ""),
        ("src/b.cc", ""),
    ]);
    assert_eq!(
        imports(&map, "src/a.c"),
        [
            "<stdio.h> ->",
            "\"local.h\" -> src/local.h",
            "\"sub/deep.h\" -> include/sub/deep.h",
            "<proj/api.h> -> include/proj/api.h",
        ]
    );
    assert_eq!(imports(&map, "tests/a.c"), ["\"../src/local.h\" -> src/local.h", "\"nowhere.h\" ->"]);
    assert_eq!(paths(&map, &map.module("proj/api.h")), ["include/proj/api.h"]);
    assert_eq!(paths(&map, map.tests_of(map.file("src/a.c").unwrap())), ["tests/a.c"]);
    assert_eq!(paths(&map, map.tests_of(map.file("src/b.cc").unwrap())), ["src/b_test.cc"]);
}
