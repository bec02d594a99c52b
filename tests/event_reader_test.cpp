#include "serve/event_reader.h"

#include <gtest/gtest.h>

#include <vector>

#include "support/errors.h"

namespace kvs::test {
namespace {

std::vector<std::string> events_in(std::string_view stream, size_t piece) {
  std::vector<std::string> events;
  EventReader reader([&](const std::string& data) {
    events.push_back(data);
    return true;
  });
  for (; !stream.empty(); stream.remove_prefix(std::min(piece, stream.size())))
    EXPECT_TRUE(reader.take(stream.substr(0, piece)));
  return events;
}

TEST(EventReader, TakesDataHoweverItIsCut) {
  const std::string stream =
      ": ping\n\ndata: one\n\nevent: x\ndata:two\r\ndata: lines\r\n\r\nid: 7\n\ndata\n\ndata:  "
      "y\r\r";
  const std::vector<std::string> expected{"one", "two\nlines", "", " y"};

  for (size_t piece = 1; piece <= stream.size(); ++piece)
    EXPECT_EQ(events_in(stream, piece), expected) << piece;
}

TEST(EventReader, PassesOverWhatIsNotEnded) {
  EXPECT_EQ(events_in("data: one\n\ndata: two\n", 100), std::vector<std::string>{"one"});
}

TEST(EventReader, StopsWhereNobodyWantsMore) {
  int events = 0;
  EventReader reader([&](const std::string&) { return ++events < 2; });

  EXPECT_FALSE(reader.take("data: 1\n\ndata: 2\n\ndata: 3\n\n"));
  EXPECT_FALSE(reader.take("data: 4\n\n"));
  EXPECT_EQ(events, 2);
}

TEST(EventReader, RefusesEndlessEvents) {
  EventReader reader([](const std::string&) { return true; });
  const std::string line = "data: " + std::string(1 << 20, 'x') + "\n";

  const Error error = error_of([&] {
    for (int i = 0; i < 5; ++i) reader.take(line);
  });

  EXPECT_EQ(error.kind(), ErrorKind::format);
  EXPECT_STREQ(error.what(), "event stream: an event has more than 4 MiB");
}

}  // namespace
}  // namespace kvs::test
