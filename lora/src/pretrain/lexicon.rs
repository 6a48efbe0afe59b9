//! The words that the corpus is made of.

pub(super) const PEOPLE: &[&str] = &[
    "Anna", "Ben", "Clara", "David", "Ella", "Felix", "Grace", "Henry", "Ida", "Jack", "Kate", "Leo", "Mia", "Noah",
    "Olive", "Peter", "Rosa", "Sam", "Tessa", "Victor", "Wendy", "Arthur", "Beth", "Carl", "Dora", "Emil", "Flora",
    "George", "Hanna", "Ivan", "Jane", "Karl", "Lucy", "Max", "Nora", "Oscar", "Paula", "Ruth", "Simon", "Tom",
    "Martha", "Edwin", "Agnes", "Hugo", "Lena", "Otto", "Alma", "Rufus", "Vera", "Walter",
];

/// Surnames and places are put together from these; the demonstration's own names are not among the results.
pub(super) const NAME_STARTS: &[&str] = &[
    "Ash", "Bar", "Bell", "Black", "Bram", "Brook", "Cal", "Clay", "Corn", "Dun", "East", "Elm", "Fair", "Fen", "Fox",
    "Glen", "Gold", "Green", "Hart", "Haw", "High", "Holt", "Kel", "King", "Lang", "Lin", "Long", "Mar", "Mill",
    "Moor", "North", "Oak", "Old", "Pem", "Pine", "Raven", "Red", "Rose", "Sand", "Shel", "Stan", "Stone", "Sun",
    "Thorn", "Wald", "West", "White", "Wil", "Win", "Wood",
];
pub(super) const PLACE_ENDS: &[&str] = &[
    "bridge", "burg", "by", "dale", "den", "field", "ford", "ham", "haven", "hill", "ley", "mouth", "port", "stead",
    "ton", "well", "wick", "worth", "mere", "gate",
];
pub(super) const SURNAME_ENDS: &[&str] =
    &["man", "ley", "son", "wood", "ford", "er", "well", "worth", "by", "ton", "bury", "low", "ings", "field", "smith"];

pub(super) const COLOURS: &[&str] = &[
    "red",
    "blue",
    "green",
    "yellow",
    "white",
    "black",
    "brown",
    "grey",
    "orange",
    "purple",
    "pink",
    "silver",
    "golden",
    "dark blue",
    "light green",
];
pub(super) const ANIMALS: &[&str] = &[
    "cat", "dog", "horse", "goat", "sheep", "cow", "duck", "hen", "fox", "owl", "parrot", "rabbit", "mouse", "frog",
    "donkey", "goose", "seal", "crab", "turtle", "pony", "crow", "swan", "bear", "wolf", "otter", "hedgehog",
];
pub(super) const FOODS: &[&str] = &[
    "bread",
    "soup",
    "apple cake",
    "honey",
    "cheese",
    "fish pie",
    "plum jam",
    "pancakes",
    "rice",
    "carrots",
    "pears",
    "cherries",
    "butter",
    "porridge",
    "onion soup",
    "ginger biscuits",
    "walnuts",
    "lemon tart",
    "beans",
    "potatoes",
    "smoked fish",
    "oat cakes",
    "mushrooms",
    "blackberries",
    "salted crab",
    "seaweed bread",
];
pub(super) const JOBS: &[&str] = &[
    "baker",
    "teacher",
    "farmer",
    "doctor",
    "painter",
    "sailor",
    "gardener",
    "fisher",
    "carpenter",
    "tailor",
    "miller",
    "keeper",
    "captain",
    "singer",
    "nurse",
    "driver",
    "cook",
    "smith",
    "weaver",
    "clerk",
    "potter",
    "guard",
    "pilot",
    "librarian",
    "shepherd",
];
pub(super) const MATERIALS: &[&str] = &[
    "wood", "stone", "glass", "iron", "clay", "brick", "copper", "paper", "wool", "silk", "leather", "tin", "oak",
    "marble", "rope", "bronze", "granite", "shells",
];
pub(super) const THINGS: &[&str] = &[
    "boat",
    "lamp",
    "clock",
    "bell",
    "door",
    "tower",
    "house",
    "bridge",
    "wagon",
    "ship",
    "well",
    "statue",
    "mill",
    "barn",
    "garden",
    "library",
    "school",
    "market",
    "bakery",
    "harbour",
    "lighthouse",
    "museum",
    "station",
    "church",
    "castle",
    "ferry",
    "inn",
    "flag",
    "gate",
    "roof",
];
pub(super) const DAYS: &[&str] = &["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
pub(super) const MONTHS: &[&str] = &[
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
pub(super) const NUMBERS: &[&str] = &[
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
    "twenty",
    "thirty",
    "forty",
    "fifty",
    "sixty",
    "seventy",
    "eighty",
    "ninety",
    "one hundred",
];
pub(super) const INSTRUMENTS: &[&str] = &[
    "violin",
    "drum",
    "flute",
    "piano",
    "guitar",
    "harp",
    "trumpet",
    "horn",
    "organ",
    "whistle",
    "fiddle",
    "accordion",
];
pub(super) const TREES: &[&str] = &[
    "oak",
    "pine",
    "willow",
    "apple tree",
    "birch",
    "elm",
    "cherry tree",
    "chestnut",
    "fig tree",
    "palm",
    "maple",
    "ash",
];
pub(super) const WEATHER: &[&str] = &["sunny", "rainy", "windy", "foggy", "cold", "warm", "stormy", "cloudy"];
pub(super) const ADJECTIVES: &[&str] = &[
    "small", "big", "old", "new", "quiet", "happy", "kind", "brave", "tired", "clever", "strange", "bright", "heavy",
    "soft", "warm", "round", "tall", "famous", "little", "busy",
];
pub(super) const ROOMS: &[&str] = &[
    "kitchen",
    "garden",
    "attic",
    "cellar",
    "barn",
    "hall",
    "yard",
    "tower",
    "library",
    "boat house",
    "stable",
    "shed",
];

/// Animals whose plural ends in "s".
pub(super) const ANIMALS_PLAIN: &[&str] = &[
    "cat", "dog", "horse", "goat", "cow", "duck", "hen", "owl", "parrot", "rabbit", "frog", "donkey", "seal", "crab",
    "turtle", "crow", "swan", "bear", "otter", "hedgehog",
];
/// Things that one can carry; their plural ends in "s".
pub(super) const SMALL_THINGS: &[&str] = &[
    "key", "book", "hat", "bag", "cup", "coat", "letter", "ball", "lamp", "pen", "spoon", "basket", "ring", "map",
    "coin", "shirt", "bottle", "button", "umbrella", "kite", "drum", "chair", "bell", "clock", "boat", "bicycle",
];
/// Women and girls among [`PEOPLE`].
pub(super) const WOMEN: &[&str] = &[
    "Anna", "Clara", "Ella", "Grace", "Ida", "Kate", "Mia", "Olive", "Rosa", "Tessa", "Wendy", "Beth", "Dora", "Flora",
    "Hanna", "Jane", "Lucy", "Nora", "Paula", "Ruth", "Martha", "Agnes", "Lena", "Alma", "Vera",
];
/// Colours of one word.
pub(super) const COLOURS_PLAIN: &[&str] = &[
    "red", "blue", "green", "yellow", "white", "black", "brown", "grey", "orange", "purple", "pink", "silver", "golden",
];
