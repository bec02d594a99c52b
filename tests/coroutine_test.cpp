#include "engine/coroutine.h"

#include <gtest/gtest.h>

#include <stdexcept>
#include <string>

namespace kvs::test {
namespace {

TEST(Coroutine, TakesTurnsWithItsOwner) {
  std::string turns;
  Coroutine letters([&](const Coroutine::Pause& pause) {
    for (const char letter : {'a', 'b', 'c'}) {
      turns += letter;
      pause();
    }
  });
  for (const char digit : {'1', '2', '3'}) {
    EXPECT_TRUE(letters.resume());
    turns += digit;
  }

  EXPECT_FALSE(letters.resume());
  EXPECT_EQ(turns, "a1b2c3");
}

TEST(Coroutine, ThrowsWhatItsWorkThrows) {
  Coroutine failing([](const Coroutine::Pause& pause) {
    pause();
    throw std::runtime_error("no more");
  });
  EXPECT_TRUE(failing.resume());

  EXPECT_THROW(failing.resume(), std::runtime_error);
}

TEST(Coroutine, UnwindsWhatIsGivenUp) {
  bool begun = false, unwound = false, went_on = false;
  struct AtEnd {
    bool& flag;
    ~AtEnd() { flag = true; }
  };
  {
    Coroutine given_up([&](const Coroutine::Pause& pause) {
      const AtEnd at_end{unwound};
      pause();
      went_on = true;
    });
    EXPECT_TRUE(given_up.resume());
    Coroutine never_begun([&](const Coroutine::Pause&) { begun = true; });
  }

  EXPECT_TRUE(unwound);
  EXPECT_FALSE(went_on);
  EXPECT_FALSE(begun);
}

}  // namespace
}  // namespace kvs::test
