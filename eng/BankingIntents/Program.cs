using System.Globalization;
using Microsoft.ML.LoraInit.MadeUp;

// banking-intents FILE [ROWS [SEED]]: writes made-up rows as CSV; another seed gives other rows of the same kind, such as those to test on.
if (args.Length is < 1 or > 3)
{
    Console.Error.WriteLine("usage: banking-intents FILE [ROWS [SEED]]");
    return 2;
}
int rows = args.Length > 1 ? int.Parse(args[1], CultureInfo.InvariantCulture) : 10_000;
int seed = args.Length > 2 ? int.Parse(args[2], CultureInfo.InvariantCulture) : 0;
BankingIntents.WriteCsv(args[0], rows, seed);
return 0;
