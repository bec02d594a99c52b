#include "base/mapped_file.h"

#include <gtest/gtest.h>

#include "base/printable.h"
#include "support/errors.h"
#include "support/temporary_folder.h"

namespace kvs::test {
namespace {

TEST(MappedFile, ShowsTheBytesOfAFile) {
  TemporaryFolder folder;
  const MappedFile file(folder.write("f", std::string("a\0b", 3)));

  ASSERT_EQ(file.bytes().size(), 3U);
  EXPECT_EQ(static_cast<char>(file.bytes()[2]), 'b');
}

TEST(MappedFile, ShowsNothingOfAnEmptyFile) {
  TemporaryFolder folder;

  EXPECT_TRUE(MappedFile(folder.write("f", "")).bytes().empty());
}

TEST(MappedFile, SaysWhyAFileCannotBeRead) {
  TemporaryFolder folder;
  const std::string none = (folder.path() / "none").string();

  const Error e = error_of([&] { MappedFile{none}; });

  EXPECT_EQ(e.kind(), ErrorKind::io);
  EXPECT_EQ(e.what(), none + ": No such file or directory");
  EXPECT_EQ(error_of([&] { MappedFile{folder.path()}; }).what(),
            folder.path().string() + ": Is a directory");
}

TEST(Printable, EscapesAndCutsWhatIsNotForAMessage) {
  EXPECT_EQ(printable("plain text"), "plain text");
  EXPECT_EQ(printable("a\n\x7f\xff"), "a\\x0a\\x7f\\xff");
  EXPECT_EQ(printable("abcdef", 3), "abc...");
  EXPECT_EQ(printable(""), "");
}

}  // namespace
}  // namespace kvs::test
