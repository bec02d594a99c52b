#include "archive/input_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "kvs/error.h"

namespace kvs {

InputFile::InputFile(const std::filesystem::path& path)
    : name_(path.string()), descriptor_(open(path.c_str(), O_RDONLY | O_CLOEXEC)), owned_(true) {
  if (descriptor_ < 0)
    fail(ErrorKind::io, "{}: cannot open: {}", name_, std::generic_category().message(errno));
}

InputFile::InputFile(int descriptor, std::string name)
    : name_(std::move(name)), descriptor_(descriptor), owned_(false) {}

InputFile::~InputFile() {
  if (owned_) close(descriptor_);
}

int64_t InputFile::size() const {
  struct stat status {};
  if (fstat(descriptor_, &status) != 0)
    fail(ErrorKind::io, "{}: cannot open: {}", name_, std::generic_category().message(errno));
  if (!S_ISREG(status.st_mode))
    fail(ErrorKind::io, "{}: not a regular file, which reading at random needs", name_);
  return status.st_size;
}

}  // namespace kvs
