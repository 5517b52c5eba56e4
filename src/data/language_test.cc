#include "data/language.h"

#include <gtest/gtest.h>

namespace pelton::data {
namespace {

TEST(Language, Detects) {
  EXPECT_EQ(detect_language("The quick brown fox jumps over the lazy dog and runs away into the forest.").code, "en");
  EXPECT_EQ(detect_language("Der schnelle braune Fuchs springt über den faulen Hund und läuft in den Wald.").code,
            "de");
  EXPECT_EQ(detect_language("Le renard brun saute par-dessus le chien paresseux et s'enfuit dans la forêt.").code,
            "fr");
  EXPECT_EQ(detect_language("Быстрая коричневая лиса прыгает через ленивую собаку и убегает в лес.").code, "ru");
  EXPECT_GT(detect_language("The quick brown fox jumps over the lazy dog and runs away.").confidence, 0.8);
}

TEST(Language, NothingToGoBy) {
  EXPECT_EQ(detect_language("").code, "un");
  EXPECT_EQ(detect_language("12 34 \xFF\xFE").code, "un");
}

}  // namespace
}  // namespace pelton::data
