#include <gtest/gtest.h>
#include <sys/fsuid.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include "engine/blob_store.h"
#include "support/errors.h"
#include "support/temporary_folder.h"

namespace kvs::test {
namespace {

void no_complaint(const Error& error) {
  ADD_FAILURE() << error.what();
}

/// Lets the calling thread open and remove only what a user without rights may, also where it is
/// root's.
class WithoutRights {
 public:
  explicit WithoutRights(const TemporaryFolder& folder) {
    std::filesystem::permissions(folder.path(), std::filesystem::perms::all);
    setfsuid(kNobody);
  }
  ~WithoutRights() { setfsuid(geteuid()); }
  WithoutRights(const WithoutRights&) = delete;
  WithoutRights& operator=(const WithoutRights&) = delete;

 private:
  static constexpr uid_t kNobody = 65534;
};

TEST(FolderBlobs, AreWrittenWhileTheirFolderGoes) {
  const TemporaryFolder folder;
  const auto blobs = open_folder_blobs((folder.path() / "blobs").string());
  const Hash128 group{.low = 1}, kept{.low = 2}, other{.low = 3};
  const Bytes content(100);
  std::atomic<bool> done = false;
  std::thread remover([&] {
    while (!done) blobs->remove({.group = group, .id = other});
  });
  for (int turn = 0; turn < 200; ++turn) {
    EXPECT_NO_THROW(blobs->put({.group = group, .id = kept}, content));
    blobs->remove({.group = group, .id = kept});
  }
  done = true;
  remover.join();

  EXPECT_FALSE(blobs->get({.group = group, .id = kept}));
}

TEST(FolderBlobs, AreListedInTheOrderInWhichTheyCame) {
  const TemporaryFolder folder;
  const std::string path = (folder.path() / "blobs").string();
  const auto name = [](uint64_t number) {
    return BlobName{.group = {.low = number % 3}, .id = {.low = 7919 * number % 101}};
  };
  {
    const auto blobs = open_folder_blobs(path);
    for (uint64_t number = 0; number < 12; ++number) {
      blobs->put(name(number), Bytes(10));
      std::this_thread::sleep_for(std::chrono::milliseconds(12));  // files' clocks are coarse
    }
  }
  const std::vector<Blob> listed = open_folder_blobs(path)->news(no_complaint);

  ASSERT_EQ(listed.size(), 12u);
  for (uint64_t number = 0; number < 12; ++number) EXPECT_EQ(listed[number].name, name(number));
}

// A long list is made while others are written.
TEST(FolderBlobs, LoseWhatIsHalfWrittenOnlyIfItIsOld) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "blobs";
  const auto group = path / std::string(32, '7');
  std::filesystem::create_directories(group);
  std::ofstream(group / "rows-00.kva.1-0.part") << "old";
  const auto blobs = open_folder_blobs(path.string());
  std::this_thread::sleep_for(std::chrono::milliseconds(12));
  std::ofstream(group / "rows-00.kva.1-1.part") << "new";
  blobs->news(no_complaint);

  EXPECT_FALSE(std::filesystem::exists(group / "rows-00.kva.1-0.part"));
  EXPECT_TRUE(std::filesystem::exists(group / "rows-00.kva.1-1.part"));
}

TEST(FolderBlobs, ListWhatTheyCanAndSayWhatTheyCannot) {
  using std::filesystem::perms;
  const TemporaryFolder folder;
  const WithoutRights user(folder);
  const auto path = folder.path() / "blobs";
  const auto closed = path / to_hex(Hash128{.low = 1}), fixed = path / to_hex(Hash128{.low = 2});
  std::filesystem::create_directories(fixed);
  std::ofstream(fixed / "rows-00.kva.1-0.part") << "half";
  const auto blobs = open_folder_blobs(path.string());
  for (uint64_t group = 1; group <= 3; ++group)
    blobs->put({.group = {.low = group}, .id = {.low = group}}, Bytes(10));
  permissions(closed, perms::none);
  permissions(fixed, perms::owner_read | perms::owner_exec);
  std::vector<std::string> said;
  const auto complain = [&](const Error& error) { said.emplace_back(error.what()); };
  const std::vector<Blob> listed = blobs->news(complain);
  permissions(closed, perms::owner_all);
  permissions(fixed, perms::owner_all);

  EXPECT_EQ(listed.size(), 2u);
  std::ranges::sort(said);
  EXPECT_EQ(said, (std::vector{closed.string() + ": Permission denied",
                               (fixed / "rows-00.kva.1-0.part").string() + ": Permission denied"}));
  EXPECT_TRUE(blobs->news(no_complaint).empty());
}

// Else a tier that was out of reach for a moment would pass for empty ever after.
TEST(FolderBlobs, AreListedLaterWhereTheFirstLookFails) {
  using std::filesystem::perms;
  const TemporaryFolder folder;
  const WithoutRights user(folder);
  const auto path = folder.path() / "blobs";
  const auto blobs = open_folder_blobs(path.string());
  blobs->put({.group = {.low = 1}, .id = {.low = 1}}, Bytes(10));
  permissions(path, perms::none);
  EXPECT_EQ(error_of([&] { blobs->news(no_complaint); }).kind(), ErrorKind::io);
  permissions(path, perms::owner_all);

  EXPECT_EQ(blobs->news(no_complaint).size(), 1u);
}

}  // namespace
}  // namespace kvs::test
