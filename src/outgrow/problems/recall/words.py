"""The words of the worded form. No list shares a word with another, so a text can be read without guessing."""

ADJECTIVES = (
    *("amber", "big", "black", "blue", "bright", "broken", "brown", "clean", "copper", "crooked", "dark", "dusty"),
    *("golden", "green", "grey", "heavy", "iron", "large", "narrow", "new", "old", "orange", "pale", "pink"),
    *("plain", "purple", "red", "round", "silver", "small", "square", "white"),
)
NOUNS = (
    *("anchor", "basket", "bell", "box", "bridge", "cabinet", "chair", "chest", "clock", "desk", "door", "drum"),
    *("engine", "fence", "gate", "hut", "jar", "kettle", "lamp", "locker", "machine", "mirror", "mug", "panel"),
    *("pipe", "robot", "safe", "ship", "suitcase", "truck", "vault", "wheel"),
)
PEOPLE = (
    *("Ada", "Ben", "Clara", "David", "Emma", "Frank", "Grace", "Hugo", "Ida", "Jack", "Karl", "Lena"),
    *("Maria", "Noah", "Olga", "Paul", "Rosa", "Sam", "Tina", "Victor", "Walter", "Zoe"),
)
THINGS = (
    *("apple", "ball", "book", "bottle", "brush", "camera", "candle", "coin", "cup", "doll", "fork", "hammer"),
    *("hat", "key", "knife", "letter", "map", "pen", "ring", "rope", "scarf", "spoon", "ticket", "umbrella"),
)
PLACES = (
    *("attic", "bakery", "balcony", "bank", "barn", "basement", "bathroom", "bedroom", "cave", "cellar", "chapel", "cinema"),
    *("classroom", "closet", "courtyard", "garage", "garden", "gym", "hall", "harbor", "hospital", "hotel", "kitchen", "loft"),
    *("library", "market", "museum", "nursery", "office", "orchard", "pantry", "park", "school", "shed", "stable", "station"),
    *("studio", "tower", "tunnel", "workshop"),
)

# Filler: a sentence is a subject, a verb, and a tail of none to four words.
SUBJECTS = (
    *("The river", "The wind", "The forest", "The morning", "The evening", "The snow", "The crowd", "The music"),
    *("The valley", "The weather", "The village", "The road", "The sea", "The moon", "The winter", "The city"),
)
VERBS = ("changed", "slept", "waited", "moved", "rested", "shone", "whispered", "faded", "returned", "grew", "stopped", "began")
TAILS = (
    *("", "very slowly", "once again", "at dawn", "without warning", "for a while", "until late autumn", "under low clouds"),
    *("as it always had", "and nobody said why", "like in early spring", "while the birds sang"),
)
SHORT = {1: "Silence.", 2: "Rain fell.", 3: "Nothing else happened."}
"""Words -> a sentence of this many."""
# The text that is repeated around a passkey, after Mohtashami & Jaggi 2023, arXiv 2305.16300.
REPEATED = ("The grass is green.", "The sky is blue.", "The sun is yellow.", "Here we go.", "There and back again.")
