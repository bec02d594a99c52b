#include "serve/origins.h"

#include <gtest/gtest.h>

#include "support/errors.h"

namespace kvs::test {
namespace {

TEST(Origins, AreTheServersOwnWhereTheyNameItsHost) {
  EXPECT_TRUE(Origins::is_own("http://localhost:8080", "localhost:8080"));
  EXPECT_TRUE(Origins::is_own("https://KVS.lan", "kvs.lan"));
  EXPECT_TRUE(Origins::is_own("http://[::1]:80", "[::1]:80"));
  for (const char* origin : {"http://localhost", "http://localhost:3000", "http://evil.example",
                             "http://localhost:8080.evil.example", "null", "localhost:8080",
                             "://localhost:8080", "", "http://"})
    EXPECT_FALSE(Origins::is_own(origin, "localhost:8080")) << origin;
  EXPECT_FALSE(Origins::is_own("http://", ""));
}

TEST(Origins, AreAllowedAsTheyAreNamed) {
  const Origins origins({"https://Chat.example:8443", "app://notes", "null"});

  for (const char* origin : {"https://chat.example:8443", "app://notes", "null"})
    EXPECT_TRUE(origins.allow(origin)) << origin;
  for (const char* origin : {"https://chat.example", "http://chat.example:8443", "", "app://note",
                             "https://chat.example:8443.evil.example"})
    EXPECT_FALSE(origins.allow(origin)) << origin;
  EXPECT_FALSE(Origins({}).allow("null"));
}

TEST(Origins, MustBeSome) {
  for (const char* origin : {"", "*", "chat.example", "https://", "://x", "https://chat.example/",
                             "https://*.example"}) {
    const Error error = error_of([&] { Origins({origin}); });
    EXPECT_EQ(error.kind(), ErrorKind::argument);
    EXPECT_EQ(std::string(error.what()),
              "origin '" + std::string(origin) + "': expected SCHEME://HOST[:PORT] or null");
  }
}

}  // namespace
}  // namespace kvs::test
