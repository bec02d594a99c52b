#include "serve/answer_channel.h"

#include <gtest/gtest.h>

#include <thread>

namespace kvs::test {
namespace {

using std::chrono::milliseconds;

TEST(AnswerChannel, GathersWhatIsNotTakenYet) {
  AnswerChannel channel(2);
  channel.add_text(1, "a");
  channel.add_text(1, "b");
  channel.finish(0, {.id = "x", .finish_reason = "stop"});

  const std::vector<AnswerPiece> pieces = channel.take(milliseconds(0));

  ASSERT_EQ(pieces.size(), 2u);
  EXPECT_EQ(pieces[0].end->id, "x");
  EXPECT_EQ(pieces[1].choice, 1);
  EXPECT_EQ(pieces[1].text, "ab");
  EXPECT_FALSE(channel.finished());
  EXPECT_TRUE(channel.take(milliseconds(0)).empty());
}

TEST(AnswerChannel, GivesTokensWithTheirText) {
  AnswerChannel channel(2);
  channel.add_token(0, {});
  channel.add_text(1, "other");
  const std::vector<AnswerPiece> before = channel.take(milliseconds(60000));
  channel.add_text(0, "a");

  const std::vector<AnswerPiece> pieces = channel.take(milliseconds(60000));

  ASSERT_EQ(before.size(), 1u);
  EXPECT_EQ(before[0].choice, 1);
  ASSERT_EQ(pieces.size(), 1u);
  EXPECT_EQ(pieces[0].text, "a");
  EXPECT_EQ(pieces[0].tokens.size(), 1u);
}

TEST(AnswerChannel, GivesTokensThatTakeTooMuchRoom) {
  AnswerChannel channel(1, 10);
  channel.add_token(0, {});
  ASSERT_FALSE(channel.keeps_up());

  EXPECT_EQ(channel.take(milliseconds(60000)).size(), 1u);
  EXPECT_TRUE(channel.keeps_up());
}

TEST(AnswerChannel, IsFinishedWhenEachEndIsTaken) {
  AnswerChannel channel(1);
  channel.finish(0, {.finish_reason = "stop"});

  EXPECT_FALSE(channel.finished());
  channel.take(milliseconds(0));

  EXPECT_TRUE(channel.finished());
}

TEST(AnswerChannel, SaysWhetherTheReaderKeepsUp) {
  AnswerChannel channel(1, 10);
  channel.add_text(0, "0123456789");
  EXPECT_TRUE(channel.keeps_up());

  channel.add_text(0, "0");
  EXPECT_FALSE(channel.keeps_up());
  EXPECT_TRUE(channel.wanted());

  channel.take(milliseconds(0));
  EXPECT_TRUE(channel.keeps_up());
}

TEST(AnswerChannel, CountsOnlyWhatIsNotTaken) {
  AnswerChannel channel(1, 10);

  for (int i = 0; i < 100; ++i) {
    channel.add_text(0, "0123456789");
    channel.take(milliseconds(0));
  }

  EXPECT_TRUE(channel.keeps_up());
}

TEST(AnswerChannel, IsNotWantedWithoutAReader) {
  AnswerChannel channel(1);
  EXPECT_TRUE(channel.wanted());

  channel.abandon();

  EXPECT_FALSE(channel.wanted());
}

TEST(AnswerChannel, WakesAReaderThatWaits) {
  AnswerChannel channel(1);
  std::thread writer([&] { channel.add_text(0, "late"); });

  const std::vector<AnswerPiece> pieces = channel.take(milliseconds(60000));

  writer.join();
  ASSERT_EQ(pieces.size(), 1u);
  EXPECT_EQ(pieces[0].text, "late");
}

}  // namespace
}  // namespace kvs::test
