using Microsoft.ML;
using Microsoft.ML.LoraInit.Samples.AutoML;

// dotnet run --project src/Samples/AutoML [SECONDS [TRIALS]]: offline, on the embedded model, under two minutes.
var budget = args.Length > 0 ? uint.Parse(args[0], System.Globalization.CultureInfo.InvariantCulture) : 90;
int? trials = args.Length > 1 ? int.Parse(args[1], System.Globalization.CultureInfo.InvariantCulture) : null;
var data = Path.Combine(AppContext.BaseDirectory, "Data");
var result = SettingSearch.Run(
    new MLContext(seed: 0), Path.Combine(data, "support-intents.train.tsv"), Path.Combine(data, "support-intents.test.tsv"), budget, trials, maxEpochs: 1, Console.WriteLine);
Console.WriteLine(System.FormattableString.Invariant($"The default reaches {result.Default:P1}, the best setting {result.Best:P1}: {result.BestSetting}."));
return result.Best >= result.Default ? 0 : 1;
