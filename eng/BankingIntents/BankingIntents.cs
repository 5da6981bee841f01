using System.Globalization;
using System.Text;

namespace Microsoft.ML.LoraInit.MadeUp;

/// <summary>
/// Made-up questions to a bank, in 77 classes: each of 11 things with each of 7 troubles. More than a quarter of the questions are as vague
/// as people's are, and could be of two classes: nobody can tell more than about 86 in 100, so that a model has something to be unsure of.
/// </summary>
public static class BankingIntents
{
    /// <summary>The share of questions that fit two classes equally well.</summary>
    public const double VagueShare = 0.27;

    private const double TypoShare = 0.15;

    private static readonly (string Name, string[] Words)[] Things =
    [
        ("card", ["debit card", "card", "bank card", "Visa", "plastic card"]),
        ("transfer", ["transfer", "bank transfer", "wire", "payment to my landlord", "SEPA payment"]),
        ("top_up", ["top-up", "topping up", "deposit by card", "top up of my balance", "automatic top-up"]),
        ("cash", ["cash withdrawal", "money from the ATM", "withdrawal", "cash machine", "cashpoint visit"]),
        ("direct_debit", ["direct debit", "standing order", "monthly gym payment", "recurring payment", "subscription debit"]),
        ("exchange", ["currency exchange", "change to euros", "exchange to dollars", "foreign currency order", "conversion into pounds"]),
        ("refund", ["refund", "money back from the shop", "chargeback", "returned purchase", "reimbursement"]),
        ("account", ["account", "current account", "joint account", "profile with you", "business account"]),
        ("app_login", ["login", "passcode", "sign-in to the app", "fingerprint login", "app password"]),
        ("loan", ["loan", "overdraft", "credit line", "car credit", "instalment plan"]),
        ("savings", ["savings pot", "savings account", "fixed deposit", "vault", "rainy-day pot"]),
    ];

    private static readonly (string Name, string[] Phrases)[] Troubles =
    [
        ("declined", ["my {0} was declined", "why did you reject the {0}", "the {0} keeps being refused", "it says \"declined\" for the {0}", "{0} denied again and again", "you turned down my {0}"]),
        ("delayed", ["my {0} has not arrived", "how long does the {0} take", "still waiting for the {0}", "the {0} is pending for days", "when will the {0} be through", "where is my {0}, it should be here"]),
        ("fee", ["why was I charged a fee for the {0}", "what does the {0} cost", "there is an extra charge on my {0}", "is the {0} free", "I see a \"service fee\" next to the {0}", "the fee for my {0} is too high"]),
        ("limit", ["what is the limit for the {0}", "I need a higher limit for my {0}", "how often can I use the {0}", "is there a maximum for the {0}", "raise the cap on my {0}", "how much per day with the {0}"]),
        ("cancel", ["I want to cancel the {0}", "stop my {0}", "please undo the {0}", "how do I get rid of the {0}", "I no longer want the {0}", "close my {0}, please"]),
        ("set_up", ["how do I set up a {0}", "I would like a new {0}", "what do I need for a {0}", "help me start with the {0}", "where in the app do I add a {0}", "can I open a second {0}"]),
        ("unknown", ["I do not recognise this {0}", "somebody else used my {0}", "a {0} that I never made", "I think the {0} is fraud", "what is this {0}, it is not mine", "a stranger's {0} is on my statement"]),
    ];

    /// <summary>Questions that fit this trouble and the one after it (the last goes with the first).</summary>
    private static readonly string[][] Between =
    [
        ["my {0} did not go through yet", "something holds up the {0}", "the {0} does not work today"],
        ["what happens with the {0}, it shows another amount", "the {0} is not complete", "part of the {0} is missing"],
        ["what are your conditions for the {0}", "the rules for the {0}, please", "how much can it be for the {0}"],
        ["I am over it with the {0}, what now", "the {0} is too much, change it", "adjust my {0}"],
        ["I want another {0} instead", "change my {0}", "I chose the wrong {0}"],
        ["I got a message about a {0}, what is it", "tell me about this {0}", "there is a {0} in my list, why"],
        ["was the {0} blocked for safety", "you stopped a {0}, why", "is somebody checking my {0}"],
    ];

    private static readonly string[] Openers = ["", "", "", "Hi, ", "Hello! ", "Good morning, ", "Sorry to bother you, but ", "Quick question: ", "I'm upset, ", "Dear team, "];

    /// <summary>Names of the classes, such as <c>card_declined</c>.</summary>
    public static IReadOnlyList<string> Classes { get; } = [.. from thing in Things from trouble in Troubles select $"{thing.Name}_{trouble.Name}"];

    /// <summary>As many questions as asked for, the same for the same seed, with all classes equally often.</summary>
    public static IEnumerable<(string Text, string Intent)> Rows(int count, int seed)
    {
        var random = new Random(seed);
        int[] order = [.. Enumerable.Range(0, count).Select(i => i % Classes.Count)];
        random.Shuffle(order);
        return order.Select(intent => (Question(intent / Troubles.Length, intent % Troubles.Length, random), Classes[intent]));
    }

    /// <summary>Writes rows as CSV with a header, <c>text,category</c>; texts hold commas, quotation marks and now and then a line break.</summary>
    public static void WriteCsv(string path, int count, int seed)
    {
        using var writer = new StreamWriter(path, append: false, new UTF8Encoding(false)) { NewLine = "\n" };
        writer.WriteLine("text,category");
        foreach (var (text, intent) in Rows(count, seed))
            writer.WriteLine($"{Cell(text)},{intent}");
    }

    /// <summary>A cell of a CSV file: in quotation marks where it has to be.</summary>
    public static string Cell(string text) => text.AsSpan().ContainsAny(",\"\r\n") ? $"\"{text.Replace("\"", "\"\"", StringComparison.Ordinal)}\"" : text;

    private static string Question(int thing, int trouble, Random random)
    {
        var (vague, other) = (random.NextDouble() < VagueShare, random.Next(2));
        var phrases = vague ? Between[(trouble + other * (Troubles.Length - 1)) % Troubles.Length] : Troubles[trouble].Phrases;
        var phrase = string.Format(CultureInfo.InvariantCulture, Pick(phrases, random), Pick(Things[thing].Words, random));
        var text = Pick(Openers, random) + phrase + Closer(random);
        return random.NextDouble() < TypoShare ? Typo(text, random) : text;
    }

    private static string Closer(Random random) => random.Next(10) switch
    {
        0 => $", the amount is {random.Next(5, 900)}.{random.Next(100):00}",
        1 => $" since {Pick(["Monday", "last week", "yesterday", "the 3rd"], random)}.",
        2 => ", can you help?",
        3 => $", my friend said \"{Pick(["ask them", "that is normal", "call the bank"], random)}\".",
        4 => ".\nThanks, " + Pick(["Ada", "Jon", "Mei", "Olu"], random),
        5 => "?",
        _ => "",
    };

    private static string Typo(string text, Random random)
    {
        int at = random.Next(1, text.Length - 1);
        return random.Next(2) == 0 ? text.Remove(at, 1) : text.Insert(at, text[at].ToString());
    }

    private static string Pick(string[] from, Random random) => from[random.Next(from.Length)];
}
