#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <new>

#include "error.h"
#include "image.h"

namespace tinynets {
namespace {

std::vector<uint8_t> ReadFile(const std::string &path) {
  constexpr std::streamoff LARGEST_FILE = std::streamoff{2} << 30;  // bytes; more than the largest image needs
  std::error_code ignored;
  const auto kind = std::filesystem::status(path, ignored).type();
  if (kind == std::filesystem::file_type::fifo) throw ImageError("is a pipe");  // opening it would wait
  if (kind == std::filesystem::file_type::directory) throw ImageError("is a folder");
  if (std::filesystem::exists(path, ignored) && kind != std::filesystem::file_type::regular) {
    throw ImageError("is a device");
  }
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  const std::streamoff size = file ? static_cast<std::streamoff>(file.tellg()) : -1;
  if (size < 0) throw ImageError(std::strerror(errno));
  if (size == 0) throw ImageError("the file is empty");
  if (size > LARGEST_FILE) throw ImageError("the file is larger than 2 GiB");
  std::vector<uint8_t> bytes(static_cast<size_t>(size));
  if (!file.seekg(0) || !file.read(reinterpret_cast<char *>(bytes.data()), size)) throw ImageError("cannot be read");
  return bytes;
}

bool StartsWith(const std::vector<uint8_t> &bytes, const char *magic, size_t size) {
  return bytes.size() >= size && std::memcmp(bytes.data(), magic, size) == 0;
}

}  // namespace

void CheckSize(uint64_t width, uint64_t height) {
  constexpr uint64_t LARGEST = 178956970;  // pixels; Pillow's limit against decompression bombs
  if (width == 0 || height == 0) throw ImageError("has no pixels");
  if (width > LARGEST || height > LARGEST || width * height > LARGEST) {
    throw ImageError(std::to_string(width) + " x " + std::to_string(height) + " pixels are more than the " +
                     std::to_string(LARGEST) + " allowed");
  }
}

Image Decode(const std::string &path) {
  try {
    const auto file = ReadFile(path);
    if (StartsWith(file, "\xff\xd8\xff", 3)) return DecodeJpeg(file);
    if (StartsWith(file, "\x89PNG\r\n\x1a\n", 8)) return DecodePng(file);
    throw ImageError("neither a JPEG nor a PNG; this program reads only these");
  } catch (const std::bad_alloc &) {
    throw ImageError("too large to decode");
  }
}

}  // namespace tinynets
