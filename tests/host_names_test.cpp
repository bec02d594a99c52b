#include "serve/host_names.h"

#include <gtest/gtest.h>

namespace kvs::test {
namespace {

TEST(HostNames, AreThisMachinesAndThoseThatAreAllowed) {
  const HostNames names({"Kvs.lan", "192.168.1.5"});

  for (const char* host :
       {"localhost", "LOCALHOST:80", "localhost.", "a.localhost", "127.0.0.1:8080", "10.1.2.3",
        "[::1]", "[fe80::1]:80", "::1", "kvs.LAN:8080", ""})
    EXPECT_TRUE(names.has(host)) << host;
  for (const char* host : {"evil.example", "localhost.evil.example", "127.0.0.1.evil.example",
                           "notlocalhost", "kvs.lan.evil", "[", "[]", ":80", "1.2.3", "a:b:c"})
    EXPECT_FALSE(names.has(host)) << host;
}

}  // namespace
}  // namespace kvs::test
