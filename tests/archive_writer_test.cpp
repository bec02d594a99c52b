#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <thread>

#include "support/archive_sample.h"
#include "support/errors.h"
#include "support/temporary_folder.h"

namespace kvs::test {
namespace {

class ArchiveWriting : public testing::Test {
 protected:
  size_t files_in_folder() const {
    return static_cast<size_t>(
        std::distance(std::filesystem::directory_iterator(folder.path()), {}));
  }

  TemporaryFolder folder;
  std::filesystem::path path = folder.path() / "x.kva";
  ArchiveHeader header = sample_header();
};

TEST_F(ArchiveWriting, LeavesNothingWithoutFinish) {
  {
    ArchiveWriter writer(path, header);
    writer.add(sample_kv(header, 1));
    EXPECT_FALSE(std::filesystem::exists(path));
  }

  EXPECT_EQ(files_in_folder(), 0u);
}

TEST_F(ArchiveWriting, KeepsTheOldFileUntilFinish) {
  write_bytes(path, "old");
  ArchiveWriter writer(path, header);
  EXPECT_EQ(read_bytes(path), "old");

  writer.finish();

  EXPECT_FALSE(read_all(path).error);
  EXPECT_EQ(files_in_folder(), 1u);
}

TEST_F(ArchiveWriting, AddsNothingAfterFinish) {
  ArchiveWriter writer(path, header);
  writer.finish();

  const std::string expected = path.string() + ": cannot write: finished, or failed before";
  EXPECT_EQ(error_of([&] { writer.add(sample_kv(header, 1)); }).what(), expected);
  EXPECT_EQ(error_of([&] { writer.finish(); }).what(), expected);
}

TEST_F(ArchiveWriting, IntoAMissingFolderIsAnError) {
  const auto missing = folder.path() / "no" / "x.kva";

  const Error e = error_of([&] { ArchiveWriter writer(missing, header); });

  EXPECT_EQ(e.kind(), ErrorKind::io);
  EXPECT_EQ(e.what(), missing.string() + ": cannot create: No such file or directory");
}

TEST_F(ArchiveWriting, ToAFullDeviceIsAnError) {
  const Error e =
      error_of([&] { ArchiveWriter writer(std::filesystem::path("/dev/full"), header); });

  EXPECT_EQ(e.kind(), ErrorKind::io);
  EXPECT_STREQ(e.what(), "/dev/full: cannot write: No space left on device");
}

TEST_F(ArchiveWriting, ToAFullDescriptorIsAnError) {
  const int full = open("/dev/full", O_WRONLY);

  const Error e = error_of([&] { ArchiveWriter writer(full, "-", header); });

  EXPECT_STREQ(e.what(), "-: cannot write: No space left on device");
  close(full);
}

// A limit on the size of files stands in for a full disk: the error comes in the middle of a
// record.
TEST_F(ArchiveWriting, OnAFullDiskLeavesNothing) {
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit old_limit{};
  getrlimit(RLIMIT_FSIZE, &old_limit);
  const rlimit limit{.rlim_cur = 700, .rlim_max = old_limit.rlim_max};
  {
    ArchiveWriter writer(path, header);
    setrlimit(RLIMIT_FSIZE, &limit);
    const Error e = error_of([&] {
      for (uint32_t seed = 0; seed < 10; ++seed) writer.add(sample_kv(header, seed));
    });
    EXPECT_EQ(e.kind(), ErrorKind::io);
    EXPECT_EQ(e.what(), path.string() + ": cannot write: File too large");
    EXPECT_EQ(error_of([&] { writer.finish(); }).kind(), ErrorKind::io);
  }
  setrlimit(RLIMIT_FSIZE, &old_limit);
  std::signal(SIGXFSZ, old_handler);

  EXPECT_EQ(files_in_folder(), 0u);
}

TEST_F(ArchiveWriting, ToAClosedPipeIsAnError) {
  const auto old_handler = std::signal(SIGPIPE, SIG_IGN);
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  close(ends[0]);

  const Error e = error_of([&] { ArchiveWriter writer(ends[1], "-", header); });

  EXPECT_EQ(e.kind(), ErrorKind::io);
  EXPECT_STREQ(e.what(), "-: cannot write: Broken pipe");
  close(ends[1]);
  std::signal(SIGPIPE, old_handler);
}

TEST_F(ArchiveWriting, ThroughAPipeArrivesWhole) {
  write_sample(path);
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  std::jthread sender([&] {
    ArchiveWriter writer(ends[1], "pipe", header);
    for (const uint32_t seed : {1, 2}) {
      const KvRecord kv = sample_kv(header, seed);
      writer.add(kv);
      writer.add(sample_prompt(fmt::format("p{}", seed), kv));
    }
    writer.finish();
    close(ends[1]);
  });

  ArchiveReader reader(ends[0], "pipe");
  const ReadResult got = read_all(reader);

  EXPECT_FALSE(got.error);
  EXPECT_EQ(got.records, read_all(path).records);
  close(ends[0]);
}

// Each record can be used as soon as it is written: the reader waits for nothing behind it.
TEST_F(ArchiveWriting, IsReadWhileItGrows) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  ArchiveWriter writer(ends[1], "pipe", header);
  ArchiveReader reader(ends[0], "pipe");

  EXPECT_EQ(describe(reader.next()->record), describe(header));
  writer.add(sample_kv(header, 1));
  EXPECT_EQ(describe(reader.next()->record), describe(sample_kv(header, 1)));

  close(ends[0]);
  close(ends[1]);
}

}  // namespace
}  // namespace kvs::test
