using System.CommandLine.Parsing;
using System.Text.RegularExpressions;

namespace Microsoft.ML.LoraInit.Samples.Commands.Options;

/// <summary>Messages of .NET and of the parser in the words of the others.</summary>
internal static partial class ErrorText
{
    /// <summary>A message without the names of parameters and the values that .NET adds to it.</summary>
    public static string Plain(string message) => Added().Replace(message, "");

    /// <summary>What the parser says of one argument, with the option as it is typed first.</summary>
    public static string Of(ParseError error)
    {
        var option = (error.SymbolResult as OptionResult)?.Option.Name;
        if (option is null)
            return error.Message;
        if (GivenAgain().Match(error.Message) is { Success: true } again)
            return $"{option} is given {again.Groups[1].Value} times; give it once.";
        if (NoValue().IsMatch(error.Message))
            return $"{option} needs a value.";
        return NotOneOf().Match(error.Message) is { Success: true } other
            ? $"{option}: '{other.Groups[1].Value}' is none of {string.Join(", ", Quoted().Matches(other.Groups[2].Value).Select(m => m.Groups[1].Value))}."
            : error.Message;
    }

    [GeneratedRegex(@" \(Parameter '\w+'\)(\s+Actual value was .*\.)?", RegexOptions.Singleline)]
    private static partial Regex Added();

    [GeneratedRegex(@"^Option '[^']+' expects a single argument but (\d+) were provided\.$")]
    private static partial Regex GivenAgain();

    [GeneratedRegex("^Required argument missing for option: ")]
    private static partial Regex NoValue();

    [GeneratedRegex(@"^Argument '(.*)' not recognized\. Must be one of:(.*)$", RegexOptions.Singleline)]
    private static partial Regex NotOneOf();

    [GeneratedRegex("'([^']+)'")]
    private static partial Regex Quoted();
}
