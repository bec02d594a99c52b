#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include "engine/blob_store.h"
#include "support/temporary_folder.h"

namespace kvs::test {
namespace {

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
  const std::vector<Blob> listed = open_folder_blobs(path)->news();

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
  blobs->news();

  EXPECT_FALSE(std::filesystem::exists(group / "rows-00.kva.1-0.part"));
  EXPECT_TRUE(std::filesystem::exists(group / "rows-00.kva.1-1.part"));
}

}  // namespace
}  // namespace kvs::test
