#include "serve/framing.h"

#include <gtest/gtest.h>

#include "serve/refusal.h"

namespace kvs::test {
namespace {

Framing framing_of(const std::string& fields) {
  return read_framing("POST / HTTP/1.1\r\n" + fields + "\r\n");
}

std::string refusal_of(const std::string& fields) {
  try {
    framing_of(fields);
  } catch (const Refusal& refusal) {
    EXPECT_EQ(refusal.status, 400);
    return refusal.message;
  }
  return "";
}

TEST(Framing, SaysWhereABodyEnds) {
  EXPECT_FALSE(framing_of("Host: x\r\n").has_body());
  EXPECT_FALSE(framing_of("Content-Length: 0\r\n").has_body());
  EXPECT_EQ(framing_of("content-length:\t17 \r\n").length, 17u);
  EXPECT_TRUE(framing_of("Transfer-Encoding: Chunked\r\n").chunked);
  EXPECT_FALSE(framing_of("X-Empty:\r\nX-Sign: a;b=\"c\"\r\n").has_body());
}

TEST(Framing, IsRefusedWhereOthersCouldReadItOtherwise) {
  const std::string start = "the request's head: ";
  EXPECT_EQ(refusal_of("A: b\nC: d\r\n"), start + "a line does not end in CR LF");
  EXPECT_EQ(refusal_of("A: b\r\r\n"), start + "it has control characters");
  EXPECT_EQ(refusal_of(std::string("A: b\0c\r\n", 8)), start + "it has control characters");
  EXPECT_EQ(refusal_of(" Content-Length: 1\r\n"),
            start + "expected 'name: value', found ' Content-Length: 1'");
  EXPECT_EQ(refusal_of("Content-Length : 1\r\n"),
            start + "expected 'name: value', found 'Content-Length : 1'");
  EXPECT_EQ(refusal_of("nothing\r\n"), start + "expected 'name: value', found 'nothing'");
  for (const char* length : {"", "+1", "-1", "0x1", "1, 1", "1 1", "%31", "99999999999999999999"})
    EXPECT_EQ(refusal_of(std::string("Content-Length: ") + length + "\r\n"),
              start + "Content-Length: expected a number, found '" + length + "'");
  EXPECT_EQ(refusal_of("Content-Length: 1\r\ncontent-length: 1\r\n"),
            start + "there is more than one Content-Length");
  EXPECT_EQ(refusal_of("Transfer-Encoding: gzip, chunked\r\n"),
            start + "Transfer-Encoding: expected chunked, found 'gzip, chunked'");
  EXPECT_EQ(refusal_of("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
            start + "Transfer-Encoding: expected chunked, found 'chunked'");
  EXPECT_EQ(refusal_of("Transfer-Encoding: chunked\r\nContent-Length: 1\r\n"),
            start + "it has a Content-Length and a Transfer-Encoding");
  EXPECT_EQ(refusal_of("Host: a\r\nHost: b\r\n"), start + "there is more than one Host");
}

}  // namespace
}  // namespace kvs::test
