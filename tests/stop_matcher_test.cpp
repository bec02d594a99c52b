#include "engine/stop_matcher.h"

#include <gtest/gtest.h>

namespace kvs {
namespace {

std::string push_all(StopMatcher& matcher, std::initializer_list<const char*> pieces) {
  std::string text;
  for (const char* piece : pieces) text += matcher.push(piece);
  return text + matcher.finish();
}

TEST(StopMatcher, PassesTextWithoutStops) {
  StopMatcher matcher({});

  EXPECT_EQ(matcher.push("ab"), "ab");
  EXPECT_FALSE(matcher.found());
}

TEST(StopMatcher, EndsInFrontOfAStopAcrossPieces) {
  StopMatcher matcher({"END"});

  EXPECT_EQ(push_all(matcher, {"one E", "N", "D two"}), "one ");
  EXPECT_TRUE(matcher.found());
}

TEST(StopMatcher, ReleasesWhatTurnedOutNotToBeAStop) {
  StopMatcher matcher({"END"});

  EXPECT_EQ(matcher.push("an E"), "an ");
  EXPECT_EQ(matcher.push("Nx"), "ENx");
}

TEST(StopMatcher, GivesBackTheHeldRestAtTheEnd) {
  StopMatcher matcher({"END"});

  EXPECT_EQ(push_all(matcher, {"the EN"}), "the EN");
  EXPECT_FALSE(matcher.found());
}

TEST(StopMatcher, TakesTheFirstOfSeveralStops) {
  StopMatcher matcher({"later", "\n", ""});

  EXPECT_EQ(push_all(matcher, {"a\nlater"}), "a");
}

TEST(StopMatcher, FindsAStopThatBeginsInsideItself) {
  StopMatcher matcher({"aab"});

  EXPECT_EQ(push_all(matcher, {"a", "a", "a", "b", "c"}), "a");
  EXPECT_TRUE(matcher.found());
}

}  // namespace
}  // namespace kvs
