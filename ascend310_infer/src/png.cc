#include <png.h>

#include <cstdio>
#include <cstring>

#include "error.h"
#include "image.h"
#include "orientation.h"

namespace tinynets {
namespace {

// Nothing with a destructor lives where libpng's longjmp passes.
struct Reader {
  png_structp png = nullptr;
  png_infop info = nullptr;
  const uint8_t *next;
  size_t left;
  char message[128] = "damaged";

  explicit Reader(const std::vector<uint8_t> &file) : next(file.data()), left(file.size()) {}
  Reader(const Reader &) = delete;
  ~Reader() { png_destroy_read_struct(&png, &info, nullptr); }
};

[[noreturn]] void OnError(png_structp png, png_const_charp message) {
  auto *reader = static_cast<Reader *>(png_get_error_ptr(png));
  std::snprintf(reader->message, sizeof reader->message, "%s", message);
  png_longjmp(png, 1);
}

void OnWarning(png_structp, png_const_charp) {}

void Read(png_structp png, png_bytep to, size_t size) {
  auto *reader = static_cast<Reader *>(png_get_io_ptr(png));
  if (size > reader->left) png_error(png, "the file is truncated");
  std::memcpy(to, reader->next, size);
  reader->next += size;
  reader->left -= size;
}

bool Start(Reader *reader) {
  reader->png = png_create_read_struct(PNG_LIBPNG_VER_STRING, reader, OnError, OnWarning);
  reader->info = reader->png != nullptr ? png_create_info_struct(reader->png) : nullptr;
  if (reader->info == nullptr || setjmp(png_jmpbuf(reader->png))) return false;
  png_set_read_fn(reader->png, reader, Read);
  png_set_user_limits(reader->png, 0x7fffffff, 0x7fffffff);  // CheckSize is the limit
  // Pixels alone are read here: a file may hold thousands of other chunks, each a few kB that unpack to 8 MB.
  png_set_keep_unknown_chunks(reader->png, PNG_HANDLE_CHUNK_NEVER, nullptr, -1);
  png_read_info(reader->png, reader->info);
  return true;
}

// Any kind of PNG becomes eight-bit RGB: wide samples keep their upper byte, transparency is dropped.
bool SetUp(Reader *reader) {
  if (setjmp(png_jmpbuf(reader->png))) return false;
  png_set_strip_16(reader->png);
  const int colour = png_get_color_type(reader->png, reader->info);
  if (colour == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(reader->png);
  if (colour == PNG_COLOR_TYPE_GRAY) png_set_expand_gray_1_2_4_to_8(reader->png);
  if ((colour & PNG_COLOR_MASK_COLOR) == 0) png_set_gray_to_rgb(reader->png);
  png_set_strip_alpha(reader->png);
  png_set_interlace_handling(reader->png);
  png_read_update_info(reader->png, reader->info);
  return true;
}

bool ReadPixels(Reader *reader, png_bytepp rows) {
  if (setjmp(png_jmpbuf(reader->png))) return false;
  png_read_image(reader->png, rows);
  return true;
}

}  // namespace

Image DecodePng(const std::vector<uint8_t> &file) {
  Reader reader(file);
  if (!Start(&reader)) throw ImageError(reader.message);
  const size_t width = png_get_image_width(reader.png, reader.info);
  const size_t height = png_get_image_height(reader.png, reader.info);
  CheckSize(width, height);
  if (!SetUp(&reader)) throw ImageError(reader.message);
  if (png_get_rowbytes(reader.png, reader.info) != 3 * width) throw ImageError("a PNG of an unknown kind");
  Image image(width, height);
  std::vector<png_bytep> rows(height);
  for (size_t y = 0; y < height; y++) rows[y] = &image.rgb[3 * width * y];
  if (!ReadPixels(&reader, rows.data())) throw ImageError(reader.message);
  image.orientation = PngOrientation(file.data(), file.size());
  return image;
}

}  // namespace tinynets
