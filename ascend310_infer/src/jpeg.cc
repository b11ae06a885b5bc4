#include <csetjmp>
#include <cstdio>
// libjpeg's header needs stdio's before it
#include <jerror.h>
#include <jpeglib.h>

#include <cstring>

#include "error.h"
#include "image.h"
#include "orientation.h"

namespace tinynets {
namespace {

constexpr char EXIF[] = "Exif\0";                       // and the 0 that ends it
constexpr char XMP[] = "http://ns.adobe.com/xap/1.0/";  // likewise
constexpr int APP1 = JPEG_APP0 + 1;
constexpr int MOST_SCANS = 1000;  // encoders write ten; each costs a few bytes in the file and a pass over the image

// libjpeg reports by calling; an error must not return to it. Nothing with a destructor lives where longjmp passes.
struct Reader {
  jpeg_decompress_struct info;
  jpeg_error_mgr errors;
  jpeg_progress_mgr progress;
  std::jmp_buf failed;
  char message[JMSG_LENGTH_MAX];
  bool truncated;
};

Reader *ReaderOf(j_common_ptr info) { return static_cast<Reader *>(info->client_data); }

[[noreturn]] void OnError(j_common_ptr info) {
  info->err->format_message(info, ReaderOf(info)->message);
  std::longjmp(ReaderOf(info)->failed, 1);
}

// Damaged data is a warning to libjpeg and goes on, as in Pillow; a file that ends early fails, as in Pillow.
void OnMessage(j_common_ptr info, int level) {
  if (level < 0 && info->err->msg_code == JWRN_JPEG_EOF) ReaderOf(info)->truncated = true;
}

void OnProgress(j_common_ptr info) {
  if (reinterpret_cast<j_decompress_ptr>(info)->input_scan_number <= MOST_SCANS) return;
  std::snprintf(ReaderOf(info)->message, JMSG_LENGTH_MAX, "more than %d scans", MOST_SCANS);
  std::longjmp(ReaderOf(info)->failed, 1);
}

bool Start(Reader *reader, const std::vector<uint8_t> &file) {
  reader->info.err = jpeg_std_error(&reader->errors);
  reader->errors.error_exit = OnError;
  reader->errors.emit_message = OnMessage;
  reader->info.client_data = reader;
  if (setjmp(reader->failed)) return false;
  jpeg_create_decompress(&reader->info);
  reader->progress.progress_monitor = OnProgress;
  reader->info.progress = &reader->progress;
  jpeg_mem_src(&reader->info, file.data(), file.size());
  jpeg_save_markers(&reader->info, APP1, 0xffff);
  jpeg_read_header(&reader->info, TRUE);
  return true;
}

bool ReadPixels(Reader *reader, uint8_t *pixels, size_t stride) {
  if (setjmp(reader->failed)) return false;
  jpeg_start_decompress(&reader->info);
  while (reader->info.output_scanline < reader->info.output_height && !reader->truncated) {
    JSAMPROW row = pixels + stride * reader->info.output_scanline;
    jpeg_read_scanlines(&reader->info, &row, 1);
  }
  if (!reader->truncated) jpeg_finish_decompress(&reader->info);
  return true;
}

int Orientation(const jpeg_decompress_struct &info) {
  int exif = 0, xmp = 0;
  for (auto *marker = info.marker_list; marker != nullptr; marker = marker->next) {
    const size_t size = marker->data_length;
    if (marker->marker != APP1) continue;
    if (exif == 0 && size > sizeof EXIF && std::memcmp(marker->data, EXIF, sizeof EXIF) == 0) {
      exif = ExifOrientation(marker->data, size);
    } else if (size > sizeof XMP && std::memcmp(marker->data, XMP, sizeof XMP) == 0) {
      xmp = XmpOrientation(reinterpret_cast<const char *>(marker->data), size);
    }
  }
  return exif != 0 ? exif : xmp;
}

// Inks are stored inverted; the arithmetic is Pillow's.
void CmykToRgb(const uint8_t *in, uint8_t *out, size_t pixels) {
  for (size_t i = 0; i < pixels; i++, in += 4, out += 3) {
    const uint32_t light = in[3];
    for (int c = 0; c < 3; c++) {
      const uint32_t product = (255u - in[c]) * light + 128;
      out[c] = static_cast<uint8_t>(light - (((product >> 8) + product) >> 8));
    }
  }
}

}  // namespace

Image DecodeJpeg(const std::vector<uint8_t> &file) {
  struct Owner {  // frees what libjpeg holds, whatever is thrown
    Reader reader{};
    ~Owner() { jpeg_destroy_decompress(&reader.info); }
  } owner;
  Reader &reader = owner.reader;
  if (!Start(&reader, file)) throw ImageError(reader.message);
  auto &info = reader.info;
  CheckSize(info.image_width, info.image_height);
  const int orientation = Orientation(info);  // before the pixels: with the last of them libjpeg frees the markers
  const int channels = info.num_components;
  if (channels != 1 && channels != 3 && channels != 4) {
    throw ImageError("a JPEG of " + std::to_string(channels) + " components");
  }
  info.out_color_space = channels == 4 ? JCS_CMYK : JCS_RGB;  // libjpeg repeats grey
  const size_t width = info.image_width, height = info.image_height, bytes = channels == 4 ? 4 : 3;
  Image image(width, height);
  image.orientation = orientation;
  std::vector<uint8_t> inks(channels == 4 ? 4 * width * height : 0);
  if (!ReadPixels(&reader, channels == 4 ? inks.data() : image.rgb.get(), bytes * width)) {
    throw ImageError(reader.message);
  }
  if (reader.truncated) throw ImageError("the file is truncated");
  if (channels == 4) CmykToRgb(inks.data(), image.rgb.get(), width * height);
  return image;
}

}  // namespace tinynets
