using System.CommandLine;
using System.CommandLine.Parsing;
using System.Text.RegularExpressions;

namespace Microsoft.ML.LoraInit.Samples.Commands.Options;

/// <summary>What was probably meant by a word that the parser refused.</summary>
internal static partial class ErrorSuggestion
{
    /// <summary>A sentence with a blank before it; empty where nothing is near.</summary>
    public static string For(ParseResult parsed, ParseError error)
    {
        string[] quoted = [.. Quoted().Matches(error.Message).Select(m => m.Groups[1].Value)];
        // An option that is known lacks a value, or is there twice; a message of a validator has its own suggestion.
        if (quoted.Length == 0 || Known(parsed).Contains(quoted[0]) || error.Message.Contains("Did you mean", StringComparison.Ordinal))
            return "";
        // Where few values are allowed, the message lists them behind the one that was given.
        return Suggestion.For(quoted[0], quoted.Length > 1 ? quoted[1..] : Known(parsed));
    }

    private static IEnumerable<string> Known(ParseResult parsed)
    {
        var command = parsed.CommandResult.Command;
        return [.. command.Options.Where(o => !o.Hidden).Select(o => o.Name), .. command.Subcommands.Select(c => c.Name), "--verbose", "--help"];
    }

    [GeneratedRegex("'([^']+)'")]
    private static partial Regex Quoted();
}
