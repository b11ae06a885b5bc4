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

constexpr uint8_t WANTED[] = "eXIf\0iTXt";
constexpr uint32_t MOST_TEXTS = 32;

bool Start(Reader *reader) {
  reader->png = png_create_read_struct(PNG_LIBPNG_VER_STRING, reader, OnError, OnWarning);
  reader->info = reader->png != nullptr ? png_create_info_struct(reader->png) : nullptr;
  if (reader->info == nullptr || setjmp(png_jmpbuf(reader->png))) return false;
  png_set_read_fn(reader->png, reader, Read);
  png_set_user_limits(reader->png, 0x7fffffff, 0x7fffffff);  // CheckSize is the limit
  // Of what a file may hold a thousand times, each a few kB that unpack to 8 MB, only texts with XMP are read.
  png_set_keep_unknown_chunks(reader->png, PNG_HANDLE_CHUNK_NEVER, nullptr, -1);
  png_set_keep_unknown_chunks(reader->png, PNG_HANDLE_CHUNK_AS_DEFAULT, WANTED, 2);
  png_set_chunk_cache_max(reader->png, MOST_TEXTS);
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

// What follows the pixels may hold the orientation; a file that ends before is as good as Pillow finds it.
void ReadEnd(Reader *reader) {
  if (setjmp(png_jmpbuf(reader->png))) return;
  png_read_end(reader->png, reader->info);
}

int Orientation(Reader *reader) {
  png_bytep exif = nullptr;
  png_uint_32 size = 0;
  if (png_get_eXIf_1(reader->png, reader->info, &size, &exif) != 0) {
    const int found = ExifOrientation(exif, size);
    if (found != 0) return found;
  }
  png_textp texts = nullptr;
  const int count = png_get_text(reader->png, reader->info, &texts, nullptr);
  for (int i = 0; i < count; i++) {
    if (std::strcmp(texts[i].key, "XML:com.adobe.xmp") != 0) continue;
    return XmpOrientation(texts[i].text, std::strlen(texts[i].text));
  }
  return 0;
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
  ReadEnd(&reader);
  image.orientation = Orientation(&reader);
  return image;
}

}  // namespace tinynets
